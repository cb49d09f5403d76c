// What a backend owns of the kernel, as values that give it back by themselves: descriptors and mapped memory.

import Glibc

/// A descriptor that is closed when its owner goes.
struct OwnedDescriptor: ~Copyable {
    let number: Int32

    /// Takes the result of a call named `call`: a descriptor, or -errno.
    init(_ result: Int32, from call: String) throws(LoopError) {
        guard result >= 0 else { throw .system(call: call, errno: -result) }
        number = result
    }

    deinit { SystemCall.close(number) }
}

/// Zeroed elements in pages that cost resident memory only where they are touched. Elements are plain data.
@safe struct ReservedMemory<Element>: ~Copyable {
    /// The first of `count` elements, zeroed at first; valid as long as this value.
    let base: UnsafeMutablePointer<Element>
    let count: Int
    private let byteCount: Int

    init(count: Int) throws(LoopError) {
        precondition(count > 0)
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow, let memory = unsafe SystemCall.mapReserved(byteCount: byteCount) else {
            throw .system(call: "mmap", errno: ENOMEM)
        }
        unsafe base = unsafe memory.bindMemory(to: Element.self, capacity: count)
        self.byteCount = byteCount
        self.count = count
    }

    deinit { unsafe SystemCall.unmap(UnsafeMutableRawPointer(base), byteCount: byteCount) }
}
