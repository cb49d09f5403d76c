/// What a frame carries (RFC 6455 section 11.8), as the four bits on the wire.
public enum Opcode {
    @inlinable public static var continuation: UInt8 { 0x0 }
    @inlinable public static var text: UInt8 { 0x1 }
    @inlinable public static var binary: UInt8 { 0x2 }
    @inlinable public static var close: UInt8 { 0x8 }
    @inlinable public static var ping: UInt8 { 0x9 }
    @inlinable public static var pong: UInt8 { 0xA }

    /// Close, ping, pong, and the five control opcodes nobody has defined (RFC 6455 section 5.5).
    @inlinable public static func isControl(_ opcode: UInt8) -> Bool { opcode & 0x8 != 0 }

    /// Whether RFC 6455 gives `opcode` a meaning.
    @inlinable public static func isKnown(_ opcode: UInt8) -> Bool {
        opcode <= binary || (opcode >= close && opcode <= pong)
    }
}
