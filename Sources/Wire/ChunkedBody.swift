public import ClarionBytes

/// What a step of a chunked body told. `consumed` counts bytes of the piece that was handed in.
public enum ChunkedBodyResult: Equatable {
    /// All of the piece was taken and more is needed.
    case needMore
    /// The body is whole; what follows `consumed` bytes of the piece belongs to the next request.
    case done(consumed: Int)
    /// To be answered with `status`, and the connection closed.
    case refused(status: Int)
}

/// Decodes a chunked body (RFC 9112 section 7.1) that arrives in pieces, strictly and within bounds.
///
/// Invariants: `bodyCount` + `chunkRest` ≤ `bodyBytesMax`; once done or refused it stays so.
public struct ChunkedBody {
    /// Bytes of all chunks together; beyond it 413.
    public let bodyBytesMax: Int
    /// Bytes of chunk extensions in the whole body, semicolons included; beyond it 400. They mean nothing to us.
    public let extensionBytesMax: Int
    /// Bytes of trailer fields, their line ends included; beyond it 431. They are checked for control characters and
    /// dropped.
    public static let trailerBytesMax = 1024
    /// Hexadecimal digits of one chunk's size, leading zeros included; beyond it 400.
    public static let sizeDigitsMax = 16

    private enum State: Equatable {
        case sizeFirstDigit
        case sizeDigits
        case extensions
        case sizeLineFeed
        case data
        case dataCarriageReturn
        case dataLineFeed
        /// At the start of a trailer line: CR ends the body.
        case trailerStart
        case trailer
        case trailerLineFeed
        case lastLineFeed
        case done
        case refused(status: Int)
    }

    private var state = State.sizeFirstDigit
    private var chunkRest = 0
    private var digitCount = 0
    private var extensionCount = 0
    private var trailerCount = 0
    /// Bytes of body decoded so far.
    public private(set) var bodyCount = 0

    /// - Parameter extensionBytesMax: 0 refuses any chunk extension.
    public init(bodyBytesMax: Int, extensionBytesMax: Int = 0) {
        precondition(bodyBytesMax >= 0 && extensionBytesMax >= 0)
        self.bodyBytesMax = bodyBytesMax
        self.extensionBytesMax = extensionBytesMax
    }

    /// Takes the next `count` bytes and appends what they hold of the body to `body`.
    public mutating func decode(
        _ bytes: UnsafePointer<UInt8>, count: Int, into body: inout ByteBuffer
    ) -> ChunkedBodyResult {
        var position = 0
        while true {
            if case .refused(let status) = state { return .refused(status: status) }
            if state == .done { return .done(consumed: position) }
            if position >= count { return .needMore }
            if state == .data {
                let taken = min(chunkRest, count - position)
                unsafe body.append(bytes + position, count: taken)
                position += taken
                bodyCount += taken
                chunkRest -= taken
                if chunkRest == 0 { state = .dataCarriageReturn }
                continue
            }
            unsafe step(bytes[position])
            position += 1
        }
    }

    /// Takes one byte outside the data of a chunk.
    private mutating func step(_ byte: UInt8) {
        switch state {
        case .sizeFirstDigit, .sizeDigits: sizeByte(byte)
        case .extensions: extensionByte(byte)
        case .sizeLineFeed: expect(byte, 0x0A, then: chunkRest > 0 ? .data : .trailerStart)
        case .dataCarriageReturn: expect(byte, 0x0D, then: .dataLineFeed)
        case .dataLineFeed: expect(byte, 0x0A, then: .sizeFirstDigit)
        case .trailerStart where byte == 0x0D: state = .lastLineFeed
        case .trailerStart, .trailer: trailerByte(byte)
        case .trailerLineFeed: expect(byte, 0x0A, then: .trailerStart)
        case .lastLineFeed: expect(byte, 0x0A, then: .done)
        case .data, .done, .refused: break
        }
    }

    private mutating func expect(_ byte: UInt8, _ wanted: UInt8, then next: State) {
        state = byte == wanted ? next : .refused(status: 400)
    }

    private mutating func sizeByte(_ byte: UInt8) {
        if let digit = Hex.value(byte) {
            if state == .sizeFirstDigit {
                digitCount = 0
                chunkRest = 0
            }
            state = .sizeDigits
            digitCount += 1
            if digitCount > ChunkedBody.sizeDigitsMax { return state = .refused(status: 400) }
            // Checked before it grows: sixteen times what fits in the bound cannot overflow past it unnoticed.
            let room = bodyBytesMax - bodyCount
            if chunkRest > (room - Int(digit)) >> 4 { return state = .refused(status: 413) }
            chunkRest = chunkRest << 4 | Int(digit)
        } else if state == .sizeDigits && byte == 0x0D {
            state = .sizeLineFeed
        } else if state == .sizeDigits && byte == 0x3B {
            state = .extensions
            countExtension()
        } else {
            state = .refused(status: 400)
        }
    }

    private mutating func extensionByte(_ byte: UInt8) {
        if byte == 0x0D { return state = .sizeLineFeed }
        if isControl(byte) { return state = .refused(status: 400) }
        countExtension()
    }

    private mutating func countExtension() {
        extensionCount += 1
        if extensionCount > extensionBytesMax { state = .refused(status: 400) }
    }

    private mutating func trailerByte(_ byte: UInt8) {
        if byte != 0x0D && isControl(byte) { return state = .refused(status: 400) }
        trailerCount += 1
        if trailerCount > ChunkedBody.trailerBytesMax { return state = .refused(status: 431) }
        state = byte == 0x0D ? .trailerLineFeed : .trailer
    }

    private func isControl(_ byte: UInt8) -> Bool { byte < 0x20 && byte != 0x09 || byte == 0x7F }
}
