import ClarionBytes
import Testing

struct PlainVectorTests {
    @Test
    func agreesWithAnArray() {
        var numbers = Numbers(5)
        var vector = PlainVector<UInt64>(capacity: 1)
        var model: [UInt64] = []
        for _ in 0..<20_000 {
            switch numbers.below(8) {
            case 0...4:
                let value = numbers.next()
                vector.append(value)
                model.append(value)
            case 5:
                if !model.isEmpty { check(vector.removeLast() == model.removeLast()) }
            case 6:
                let dropped = numbers.below(model.count + 1) / (numbers.below(10) + 1)
                vector.removeFirst(dropped)
                model.removeFirst(dropped)
            default:
                if !model.isEmpty {
                    let index = numbers.below(model.count)
                    vector[index] = 1
                    model[index] = 1
                }
            }
            check(vector.count == model.count && vector.isEmpty == model.isEmpty)
        }
        for index in model.indices { check(vector[index] == model[index]) }
        vector.removeAll()
        check(vector.isEmpty)
    }

    @Test
    func takingFromNothingIsABug() async {
        await #expect(processExitsWith: .failure) {
            var vector = PlainVector<UInt8>()
            _ = vector.removeLast()
        }
        await #expect(processExitsWith: .failure) {
            var vector = PlainVector<UInt8>()
            vector.removeFirst(1)
        }
    }
}
