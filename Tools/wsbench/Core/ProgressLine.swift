import CBench
import Glibc

/// One line on standard error that is drawn over itself.
struct ProgressLine: Sendable {
    /// Whether anything is drawn at all.
    let isOn: Bool

    private static let carriageReturnAndErase = "\r\u{1B}[2K"

    func show(_ text: String) {
        if isOn { Self.write(Self.carriageReturnAndErase + text) }
    }

    func clear() {
        if isOn { Self.write(Self.carriageReturnAndErase) }
    }

    /// Sleeps while the line says why.
    func wait(_ nanoseconds: UInt64, saying what: String) {
        show(what)
        let end = cbench_now() + nanoseconds
        while true {
            let now = cbench_now()
            if now >= end { return }
            usleep(UInt32(min(200_000_000, end - now) / 1_000 + 1))
        }
    }

    private static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = unsafe Glibc.write(2, bytes.baseAddress, bytes.count) }
    }
}
