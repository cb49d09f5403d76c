import CTLS
import Glibc

extension SecurePort {
    /// Most bytes of what `kernelKeys` writes.
    public static let kernelKeysBytesMax = Int(CTLS_KERNEL_KEYS_BYTES_MAX)

    /// Calls `body` with the keys as kernel TLS takes them, and wipes them; they begin with the record that is sent
    /// next. False when the kernel has no such records. When it has taken them (`body` is true), nothing is sealed here
    /// any more, and what there is to say besides data is written as the two bytes of an alert.
    public func giveToKernel(
        _ records: SecureRecords, _ body: (_ keys: UnsafeRawPointer, _ count: Int) -> Bool
    ) -> Bool {
        unsafe withUnsafeTemporaryAllocation(byteCount: SecurePort.kernelKeysBytesMax, alignment: 8) { room in
            guard let base = room.baseAddress else { return false }
            let count = unsafe ctls_kernel_keys(records.raw, base, room.count)
            defer { unsafe explicit_bzero(base, room.count) }
            guard count > 0, unsafe body(base, count) else { return false }
            unsafe ctls_kernel_writes(records.raw)
            return true
        }
    }
}
