import Glibc

/// Who is at the other end of a connection: 24 bytes, compared as they are.
@frozen
public struct PeerAddress: BitwiseCopyable, Sendable, Equatable, Hashable {
    public enum Kind: UInt8, BitwiseCopyable, Sendable {
        /// Nobody asked.
        case unknown
        /// An IP address and a port.
        case ip
        /// A process of this machine, over a Unix-domain socket.
        case local
    }

    /// The address as IPv6 in two words, the first byte highest; IPv4 stands in ::ffff:0:0/96.
    public var high: UInt64
    public var low: UInt64
    public var port: UInt16
    public var kind: Kind

    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
        kind = .ip
    }

    private init(_ kind: Kind) {
        high = 0
        low = 0
        port = 0
        self.kind = kind
    }

    public static let unknown = PeerAddress(.unknown)
    public static let local = PeerAddress(.local)
    private static let mappedPrefix: UInt64 = 0xFFFF_0000_0000

    /// An IPv4 address, its first byte highest.
    public init(version4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: PeerAddress.mappedPrefix | UInt64(address), port: port)
    }

    public var isVersion4: Bool { kind == .ip && high == 0 && low >> 32 == PeerAddress.mappedPrefix >> 32 }

    /// Reads a `sockaddr`, of which `count` bytes are there.
    public init(socketAddress bytes: UnsafeRawBufferPointer) {
        self = .unknown
        guard bytes.count >= 2 else { return }
        let family = unsafe Int32(bytes.loadUnaligned(as: sa_family_t.self))
        if family == AF_UNIX { self = .local }
        if family == AF_INET, bytes.count >= 8 {
            unsafe self.init(
                version4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
                port: UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
        if family == AF_INET6, bytes.count >= 24 {
            unsafe self.init(
                high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                port: UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    /// Reads a numeric address without a port: `192.0.2.1`, `2001:db8::1`. nil: it is none.
    public init?(text: UnsafeBufferPointer<UInt8>, port: UInt16 = 0) {
        guard text.count > 0, text.count <= PeerAddress.textBytesMax else { return nil }
        // C strings end at 0, which no address holds.
        var copy = InlineArray<48, CChar>(repeating: 0)
        for index in 0..<text.count {
            let byte = unsafe text[index]
            if byte == 0 { return nil }
            copy[index] = CChar(bitPattern: byte)
        }
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        let family = unsafe withUnsafeBytes(of: &copy) { source -> Int32? in
            guard let string = unsafe source.assumingMemoryBound(to: CChar.self).baseAddress else { return nil }
            return unsafe withUnsafeMutableBytes(of: &bytes) { target in
                if unsafe inet_pton(AF_INET, string, target.baseAddress) == 1 { return AF_INET }
                return unsafe inet_pton(AF_INET6, string, target.baseAddress) == 1 ? AF_INET6 : nil
            }
        }
        guard let family else { return nil }
        self = unsafe withUnsafeBytes(of: &bytes) { raw in
            if family == AF_INET {
                return unsafe PeerAddress(version4: UInt32(bigEndian: raw.loadUnaligned(as: UInt32.self)), port: port)
            }
            return unsafe PeerAddress(
                high: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)), port: port)
        }
    }

    /// The longest text of an address: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
    public static let textBytesMax = 45
}

extension PeerAddress: CustomStringConvertible {
    /// The address for people, without the port: `192.0.2.1`, `2001:db8::1`, `local`, `unknown`.
    public var description: String {
        switch kind {
        case .unknown: return "unknown"
        case .local: return "local"
        case .ip: break
        }
        var text = [CChar](repeating: 0, count: PeerAddress.textBytesMax + 1)
        if isVersion4 {
            var address = UInt32(truncatingIfNeeded: low).bigEndian
            unsafe inet_ntop(AF_INET, &address, &text, socklen_t(text.count))
        } else {
            var address = (high.bigEndian, low.bigEndian)
            unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A network: all addresses that begin with the same bits.
public struct AddressRange: Sendable, Equatable {
    private let high: UInt64
    private let low: UInt64
    private let highMask: UInt64
    private let lowMask: UInt64

    /// `10.0.0.0/8`, `2001:db8::/32`, or one address. nil: it is none of these.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var host = String(parts[0])
        guard let address = host.withUTF8({ unsafe PeerAddress(text: $0) }) else { return nil }
        let bitsMax = address.isVersion4 && !parts[0].contains(":") ? 32 : 128
        var bits = bitsMax
        if parts.count == 2 {
            guard let given = Int(parts[1]), given >= 0, given <= bitsMax else { return nil }
            bits = given
        }
        bits += 128 - bitsMax
        highMask = bits >= 64 ? UInt64.max : bits == 0 ? 0 : UInt64.max << (64 - UInt64(bits))
        lowMask = bits <= 64 ? 0 : bits == 128 ? UInt64.max : UInt64.max << (128 - UInt64(bits))
        high = address.high & highMask
        low = address.low & lowMask
    }

    public func contains(_ address: PeerAddress) -> Bool {
        address.kind == .ip && address.high & highMask == high && address.low & lowMask == low
    }
}
