import ClarionBytes
import Testing

struct ByteViewTests {
    @Test
    func slicesAreCutToWhatIsThere() {
        withView(Array(0..<10)) { view in
            for start in [Int.min, -1, 0, 3, 9, 10, 11, Int.max] {
                for count in [Int.min, -1, 0, 1, 7, 10, 11, Int.max] {
                    let first = min(max(start, 0), 10)
                    let expected = Array(view.array.dropFirst(first).prefix(max(count, 0)))
                    #expect(view.slice(from: start, count: count).array == expected, "\(start), \(count)")
                }
            }
            #expect(view.slice(from: 4).array == [4, 5, 6, 7, 8, 9] && view[9] == 9)
        }
    }

    @Test
    func compares() {
        let view = ByteView("Upgrade")
        #expect(view == "Upgrade" && view != "Upgrad" && view != "upgrade" && view != "Upgrade ")
        #expect(view.hasPrefix("Up") && view.hasPrefix("") && !view.hasPrefix("Upgrade!") && !view.hasPrefix("up"))
        #expect(view.equalsIgnoringCase("upgrade") && !view.equalsIgnoringCase("upgrades"))
        // Only letters have a case: "[" and "{" differ by the same bit.
        #expect(!ByteView("[").equalsIgnoringCase("{") && ByteView("Z").equalsIgnoringCase("z"))
        #expect(view.firstIndex(of: 0x61) == 4 && view.firstIndex(of: 0) == nil && ByteView("").isEmpty)
    }

    @Test
    func copiesText() {
        #expect(ByteView("häh").string == "häh" && ByteView("").string == "")
        #expect(withView([0x61, 0xFF, 0x62]) { $0.string } == "a\u{FFFD}b")
    }

    @Test
    func readingBehindTheEndIsABug() async {
        await #expect(processExitsWith: .failure) { _ = ByteView("ab")[2] }
        await #expect(processExitsWith: .failure) { _ = ByteView("ab")[-1] }
    }
}
