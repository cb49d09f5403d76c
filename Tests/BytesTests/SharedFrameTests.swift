import ClarionBytes
import Glibc
import Testing

struct SharedFrameTests {
    @Test
    func holdsPayloadAndName() {
        let frame = SharedFrame.make(byteCount: 5, key: ByteView("news"), space: 9, hash: 77)
        for index in 0..<5 { unsafe frame.bytes[index] = UInt8(index) }
        #expect(frame.view.array == [0, 1, 2, 3, 4] && frame.key.string == "news")
        #expect(frame.space == 9 && frame.hash == 77 && frame.byteCount == 5)
        frame.release()
        let empty = SharedFrame.make(byteCount: 0, key: ByteView(""), space: 0, hash: 0)
        #expect(empty.view.isEmpty && empty.key.isEmpty)
        empty.release()
    }

    /// Threads that retain and release one frame: it stays until the last, whole. (Leaks and early frees are for the
    /// address sanitizer's run.)
    @Test
    func isSharedByThreads() {
        let frame = SharedFrame.make(byteCount: 64, key: ByteView("k"), space: 0, hash: 0)
        for index in 0..<64 { unsafe frame.bytes[index] = 0xAB }
        var threads: [pthread_t] = []
        for _ in 0..<4 {
            frame.retain()
            var thread = pthread_t()
            unsafe pthread_create(
                &thread, nil,
                { context in
                    guard let context = unsafe context else { return nil }
                    let frame = unsafe SharedFrame(header: context.assumingMemoryBound(to: SharedFrameHeader.self))
                    for round in 0..<20_000 {
                        frame.retain(2)
                        precondition(frame.view[round % 64] == 0xAB)
                        frame.release()
                        frame.release()
                    }
                    frame.release()
                    return nil
                }, frame.header)
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        #expect(frame.view.array == Array(repeating: 0xAB, count: 64))
        frame.release()
    }
}
