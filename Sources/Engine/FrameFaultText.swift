import ClarionWire

/// What the close frame says about a fault (close code 1002).
enum FrameFaultText {
    static func of(_ fault: FrameFault) -> StaticString {
        switch fault {
        case .unmasked: "a client's frame must be masked"
        case .masked: "a server's frame must not be masked"
        case .reservedBits: "reserved bits are set"
        case .unknownOpcode: "unknown opcode"
        case .controlTooLong: "a control frame over 125 bytes"
        case .controlFragmented: "a control frame in fragments"
        case .lengthNotMinimal: "the length is not in its shortest form"
        case .lengthTopBit: "the length has its top bit set"
        case .lengthTooLarge: "message too big"
        }
    }
}
