import ClarionBytes
import Glibc
import Synchronization
import Testing

/// A node with a mark behind it.
@safe private struct Letter: ~Copyable {
    var node = MailNode()
    var producer: Int
    var number: Int

    static func make(producer: Int, number: Int) -> UnsafeMutableRawPointer {
        let letter = UnsafeMutablePointer<Letter>.allocate(capacity: 1)
        unsafe letter.initialize(to: Letter(producer: producer, number: number))
        return UnsafeMutableRawPointer(letter)
    }

    /// What it says; frees it.
    static func open(_ raw: UnsafeMutableRawPointer) -> (producer: Int, number: Int) {
        let letter = unsafe raw.assumingMemoryBound(to: Letter.self)
        defer {
            unsafe letter.deinitialize(count: 1)
            unsafe letter.deallocate()
        }
        return unsafe (letter.pointee.producer, letter.pointee.number)
    }
}

struct MailboxTests {
    @Test
    func comesOutInOrder() {
        let mailbox = Mailbox()
        check(unsafe mailbox.pop() == nil && mailbox.pendingCount == 0)
        var pushed = 0
        var popped = 0
        for round in 1...20 {
            for _ in 0..<round {
                check(unsafe !mailbox.push(Letter.make(producer: 0, number: pushed)))
                pushed += 1
            }
            for _ in 0..<(round + 1) / 2 {
                guard let raw = unsafe mailbox.pop() else { continue }
                check(unsafe Letter.open(raw).number == popped)
                popped += 1
            }
            check(mailbox.pendingCount == pushed - popped)
        }
        while let raw = unsafe mailbox.pop() {
            check(unsafe Letter.open(raw).number == popped)
            popped += 1
        }
        check(popped == pushed && mailbox.pendingCount == 0)
    }

    /// Whoever leaves any number of nodes behind may not sleep; whoever has taken all may.
    @Test(arguments: 0...6)
    func sleepsOnlyWhenEmpty(_ count: Int) {
        let mailbox = Mailbox()
        for number in 0..<count { unsafe _ = mailbox.push(Letter.make(producer: 0, number: number)) }
        for _ in 0..<count {
            check(!mailbox.prepareToSleep())
            if let raw = unsafe mailbox.pop() { unsafe _ = Letter.open(raw) }
        }
        check(mailbox.prepareToSleep())
        // The first push wakes it, the second need not.
        check(unsafe mailbox.push(Letter.make(producer: 0, number: 0)))
        check(unsafe !mailbox.push(Letter.make(producer: 0, number: 1)))
        mailbox.wakeUp()
        while let raw = unsafe mailbox.pop() { unsafe _ = Letter.open(raw) }
        check(mailbox.prepareToSleep())
        mailbox.wakeUp()
        check(unsafe !mailbox.push(Letter.make(producer: 0, number: 2)))
        while let raw = unsafe mailbox.pop() { unsafe _ = Letter.open(raw) }
    }

    /// Four threads post, one takes and sleeps whenever it may: nothing is lost, each one's order holds, and every sleep
    /// ends by a wake-up.
    @Test
    func nothingIsLostBetweenThreads() async {
        let producerCount = 4
        let perProducer = 100_000
        let shared = SharedMailbox()
        var threads: [pthread_t] = []
        for producer in 0..<producerCount {
            let box = unsafe Unmanaged.passRetained(Posting(shared, producer, perProducer)).toOpaque()
            var thread = pthread_t()
            unsafe pthread_create(
                &thread, nil,
                { context in
                    guard let context = unsafe context else { return nil }
                    unsafe Unmanaged<Posting>.fromOpaque(context).takeRetainedValue().run()
                    return nil
                }, unsafe box)
            threads.append(thread)
        }
        var next = Array(repeating: 0, count: producerCount)
        var taken = 0
        var sleeps = 0
        var missed = 0
        while taken < producerCount * perProducer {
            while let raw = unsafe shared.mailbox.pointee.pop() {
                let letter = unsafe Letter.open(raw)
                if next[letter.producer] != letter.number { missed += 1 }
                next[letter.producer] = letter.number + 1
                taken += 1
            }
            if taken == producerCount * perProducer { break }
            if unsafe shared.mailbox.pointee.prepareToSleep() {
                sleeps += 1
                if !shared.sleep() {
                    Issue.record("slept through its mail")
                    break
                }
                unsafe shared.mailbox.pointee.wakeUp()
            }
        }
        for thread in threads { pthread_join(thread, nil) }
        check(missed == 0 && next.allSatisfy { $0 == perProducer })
        check(unsafe shared.mailbox.pointee.pendingCount == 0)
    }
}

/// A mailbox and the eventfd that wakes its consumer, as workers have them.
@safe private final class SharedMailbox: Sendable {
    nonisolated(unsafe) let mailbox: UnsafeMutablePointer<Mailbox>
    let descriptor: Int32

    init() {
        unsafe mailbox = UnsafeMutablePointer.allocate(capacity: 1)
        unsafe mailbox.initialize(to: Mailbox())
        var ends: InlineArray<2, Int32> = [0, 0]
        let result = unsafe withUnsafeMutableBytes(of: &ends) { raw in
            unsafe pipe(raw.bindMemory(to: Int32.self).baseAddress!)
        }
        precondition(result == 0)
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    private let writeEnd: Int32

    deinit {
        unsafe mailbox.deinitialize(count: 1)
        unsafe mailbox.deallocate()
        close(descriptor)
        close(writeEnd)
    }

    func wake() {
        var byte: UInt8 = 1
        _ = unsafe write(writeEnd, &byte, 1)
    }

    /// False when nobody wakes it for long.
    func sleep() -> Bool {
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let patienceMilliseconds: Int32 = 20_000
        if unsafe poll(&item, 1, patienceMilliseconds) <= 0 { return false }
        var byte: UInt8 = 0
        return unsafe read(descriptor, &byte, 1) == 1
    }
}

private final class Posting: Sendable {
    let shared: SharedMailbox
    let producer: Int
    let count: Int

    init(_ shared: SharedMailbox, _ producer: Int, _ count: Int) {
        self.shared = shared
        self.producer = producer
        self.count = count
    }

    func run() {
        for number in 0..<count {
            let mustWake = unsafe shared.mailbox.pointee.push(Letter.make(producer: producer, number: number))
            if mustWake { shared.wake() }
        }
    }
}
