import ClarionBytes
import Testing

struct ByteBufferTests {
    @Test
    func appendsEverything() {
        var buffer = ByteBuffer(capacity: 1)
        buffer.append("static ")
        buffer.append("string ä " as String)
        buffer.append(ByteView("view "))
        buffer.append(UInt8(0x21))
        buffer.append("" as String)
        buffer.append(ByteView(""))
        check(buffer.view.string == "static string ä view !")
        buffer.truncate(to: 6)
        check(buffer.view == "static")
        buffer.removeAll()
        check(buffer.isEmpty)
    }

    @Test(arguments: [0, 1, 9, 10, 99, 100, 12_345, UInt64.max, UInt64.max - 1, 1 << 63])
    func writesDecimals(_ value: UInt64) {
        var buffer = ByteBuffer(capacity: 3)
        buffer.append("n=")
        buffer.append(decimal: value)
        buffer.append(";")
        check(buffer.view.string == "n=\(value);")
    }

    @Test
    func reservesAndAdvances() {
        var buffer = ByteBuffer(capacity: 4)
        buffer.append("abc")
        let target = unsafe buffer.reserve(1000)
        for index in 0..<1000 { unsafe target[index] = UInt8(truncatingIfNeeded: index) }
        check(buffer.count == 3 && buffer.capacity >= 1003)
        buffer.advance(by: 500)
        check(buffer.count == 503 && buffer.view[2] == 0x63 && buffer.view[502] == UInt8(truncatingIfNeeded: 499))
    }

    @Test
    func growsAsAModelDoes() {
        var numbers = Numbers(4)
        var buffer = ByteBuffer(capacity: 8)
        var model: [UInt8] = []
        for _ in 0..<2000 {
            switch numbers.below(4) {
            case 0:
                let bytes = (0..<numbers.below(50)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
                withView(bytes) { buffer.append($0) }
                model += bytes
            case 1:
                buffer.append(UInt8(7))
                model.append(7)
            case 2:
                let value = numbers.next() >> UInt64(numbers.below(64))
                buffer.append(decimal: value)
                model += Array(String(value).utf8)
            default:
                let kept = numbers.below(model.count + 1)
                if numbers.below(20) == 0 {
                    buffer.truncate(to: kept)
                    model.removeLast(model.count - kept)
                }
            }
        }
        check(buffer.view.array == model)
    }

    @Test
    func movesOverlappingBytes() {
        var buffer = ByteBuffer(capacity: 16)
        buffer.append("0123456789")
        unsafe memmoveBytes(to: buffer.base + 2, from: buffer.base, count: 8)
        check(buffer.view == "0101234567")
        unsafe memmoveBytes(to: buffer.base, from: buffer.base + 2, count: 8)
        check(buffer.view == "0123456767")
    }

    @Test
    func countingWhatIsNotThereIsABug() async {
        await #expect(processExitsWith: .failure) {
            var buffer = ByteBuffer(capacity: 4)
            buffer.advance(by: 5)
        }
        await #expect(processExitsWith: .failure) {
            var buffer = ByteBuffer(capacity: 4)
            buffer.truncate(to: 1)
        }
    }
}
