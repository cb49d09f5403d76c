// Whether this kernel makes records of TLS for sockets. Asked once at start.

import CPosix
import CUring
import ClarionBytes
import Glibc

/// Tries kernel TLS on a connection over the loopback, the way the backend would (`usesUring`). nil when it works;
/// otherwise a sentence that says what is missing, with the remedy where there is one.
///
/// A process that may load modules (CAP_NET_ADMIN) has the kernel load `tls` by this.
public func whyNoKernelRecords(usesUring: Bool) -> String? {
    var pair: (Int32, Int32) = (-1, -1)
    let made = unsafe withUnsafeMutableBytes(of: &pair) {
        unsafe cposix_tcp_pair($0.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    if made != 0 { return "no connection to try it on: \(text(of: -made))" }
    defer {
        SystemCall.close(pair.0)
        SystemCall.close(pair.1)
    }
    var keys = [UInt8](repeating: 0, count: 64)
    let count = unsafe cposix_records_trial_keys(&keys, keys.count)
    // A plain call first: what the kernel lacks at all is told by that.
    let result = unsafe cposix_records_begin(pair.0, keys, count)
    switch -result {
    case 0: break
    case ENOENT: return "the kernel has no module tls or no cipher for it, or they are not loaded (modprobe -a tls gcm)"
    case let error: return "the kernel refuses it: \(text(of: error))"
    }
    if !usesUring { return nil }
    let inRing = unsafe tryInRing(pair.1, keys, count)
    if inRing == 0 { return nil }
    let needed = "io_uring of this kernel sets no options of sockets (Linux 6.7 does; or --backend epoll)"
    return inRing == -EOPNOTSUPP || inRing == -EINVAL ? needed : "io_uring refuses it: \(text(of: -inRing))"
}

/// What speaks against kernel TLS on this kernel although it works; nil: nothing.
///
/// Before Linux 7.0, or a distribution's kernel with the correction, closing a connection whose last record still waits
/// may use freed memory of the kernel (CVE-2026-23240), and a peer can choose the moment.
public func kernelRecordsRisk() -> String? {
    let release = SystemCall.kernelRelease()
    let major = Int(release.prefix { $0.isNumber }) ?? 0
    return major >= KernelRecordsLimits.kernelMajorMin
        ? nil : "Linux \(release) may have a fault that lets peers harm it (CVE-2026-23240, mended in 7.0)"
}

enum KernelRecordsLimits {
    static let kernelMajorMin = 7
}

private func text(of error: Int32) -> String { unsafe String(cString: strerror(error)) }

/// 0, or -errno.
private func tryInRing(_ socket: Int32, _ keys: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard let ring = try? Ring(submissions: 8, completions: 64) else { return -ENOSYS }
    let registered = ring.registerFiles(count: 8)
    if registered < 0 { return registered }
    let placed = ring.registerFirst(socket)
    if placed < 0 { return placed }
    guard let first = unsafe ring.entry(), let second = unsafe ring.entry() else { return -ENOMEM }
    unsafe curing_prep_option(
        first, curing_file(number: 0, flags: curing_fixed), Int32(CPOSIX_LEVEL_TCP), Int32(CPOSIX_TCP_ULP),
        cposix_records_protocol_bytes(),
        UInt32(CPOSIX_RECORDS_PROTOCOL_BYTES), Token(uring: .silent).raw)
    unsafe curing_prep_option(
        second, curing_file(number: 0, flags: curing_fixed), Int32(CPOSIX_LEVEL_TLS), Int32(CPOSIX_TLS_TX), keys,
        UInt32(count), Token(uring: .silent).raw)
    // Successes are silent and failures are there when the call returns.
    let entered = ring.submitAndWait(false, nanoseconds: 0)
    if entered < 0 { return entered }
    let result = ring.readyCount > 0 ? ring.first.result : 0
    ring.exit()
    return result
}
