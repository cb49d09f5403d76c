import ClarionBytes
import ClarionWire
import Testing

@Suite struct FrameHeaderTests {
    private func parse(_ bytes: [UInt8], fromClient: Bool = true, rsv1Allowed: Bool = false) -> FrameHeaderResult {
        let owned = Owned(bytes)
        return unsafe FrameHeader.parse(
            owned.base, count: owned.count, fromClient: fromClient, rsv1Allowed: rsv1Allowed)
    }

    private func header(_ bytes: [UInt8], fromClient: Bool = true, rsv1Allowed: Bool = false) -> FrameHeader? {
        if case .header(let header) = parse(bytes, fromClient: fromClient, rsv1Allowed: rsv1Allowed) { return header }
        return nil
    }

    private func fault(_ bytes: [UInt8], fromClient: Bool = true, rsv1Allowed: Bool = false) -> FrameFault? {
        if case .fault(let fault) = parse(bytes, fromClient: fromClient, rsv1Allowed: rsv1Allowed) { return fault }
        return nil
    }

    /// The examples of RFC 6455 section 5.7.
    @Test func vectorsOfTheStandard() {
        let hello = header([0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F], fromClient: false)
        #expect(hello?.opcode == Opcode.text && hello?.payloadCount == 5 && hello?.headerCount == 2)
        let masked = header([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
        #expect(masked?.maskKey.littleEndian == 0x3D21_FA37 && masked?.headerCount == 6 && masked?.isFinal == true)
        let fragment = header([0x01, 0x03, 0x48, 0x65, 0x6C], fromClient: false)
        #expect(fragment?.isFinal == false && fragment?.opcode == Opcode.text)
        #expect(header([0x80, 0x02, 0x6C, 0x6F], fromClient: false)?.opcode == Opcode.continuation)
        #expect(header([0x89, 0x05], fromClient: false)?.opcode == Opcode.ping)
        #expect(header([0x82, 0x7E, 0x01, 0x00], fromClient: false)?.payloadCount == 256)
        #expect(header([0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], fromClient: false)?.payloadCount == 65536)
    }

    @Test(arguments: [0, 1, 125, 126, 127, 65535, 65536, 1 << 31, 1 << 48 - 1])
    func lengthsSurviveWritingAndReading(payloadCount: Int) {
        for maskKey: UInt32? in [nil, 0, 0xDEAD_BEEF] {
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 14) { space, count in
                if let base = space.baseAddress {
                    unsafe count = FrameWriter.writeHeader(
                        opcode: Opcode.binary, isFinal: false, rsv1: true, payloadCount: payloadCount, maskKey: maskKey,
                        to: base)
                }
            }
            #expect(bytes.count == FrameWriter.headerCount(payloadCount: payloadCount, masked: maskKey != nil))
            let expected = FrameHeader(
                opcode: Opcode.binary, isFinal: false, rsv: FrameHeader.rsv1, isMasked: maskKey != nil,
                payloadCount: payloadCount, maskKey: maskKey ?? 0, headerCount: bytes.count)
            #expect(header(bytes, fromClient: maskKey != nil, rsv1Allowed: true) == expected)
            for cut in 0..<bytes.count {
                guard case .needMore = parse(Array(bytes[..<cut]), fromClient: maskKey != nil, rsv1Allowed: true) else {
                    Issue.record("a verdict after \(cut) of \(bytes.count) bytes")
                    return
                }
            }
        }
    }

    @Test func lengthsThatAreRefused() {
        let mask: [UInt8] = [0, 0, 0, 0]
        #expect(fault([0x82, 0xFE, 0, 125] + mask) == .lengthNotMinimal)
        #expect(fault([0x82, 0xFE, 0, 100] + mask) == .lengthNotMinimal)
        #expect(fault([0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0x03, 0xE8] + mask) == .lengthNotMinimal)
        #expect(fault([0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] + mask) == .lengthNotMinimal)
        #expect(fault([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0] + mask) == .lengthTopBit)
        #expect(fault([0x82, 0xFF, 0x7F] + [UInt8](repeating: 0xFF, count: 7) + mask) == .lengthTooLarge)
        #expect(fault([0x82, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0] + mask) == .lengthTooLarge)
        #expect(fault([0x82, 0xFF, 0x00, 0x01, 0, 0, 0, 0, 0, 0] + mask) == .lengthTooLarge)
        #expect(FrameFault.lengthTooLarge.closeCode == .messageTooBig)
        #expect(FrameFault.lengthTopBit.closeCode == .protocolError)
    }

    @Test func faultsAreToldBeforeTheLengthArrives() {
        for opcode in UInt8(0)..<16 where !Opcode.isKnown(opcode) {
            #expect(fault([0x80 | opcode]) == .unknownOpcode)
        }
        #expect(fault([0x82, 0xFF, 0x80]) == .lengthTopBit)
        #expect(fault([0x82, 0xFF, 0x01]) == .lengthTooLarge)
        #expect(fault([0x82, 0xFF, 0, 0, 0, 0, 0, 0]) == .lengthNotMinimal)
        #expect(fault([0x81, 0x05]) == .unmasked)
        #expect(fault([0x81, 0x85], fromClient: false) == .masked)
        #expect(fault([0x89, 0xFE]) == .controlTooLong)
        #expect(fault([0x88, 0xFF]) == .controlTooLong)
        #expect(fault([0x09]) == .controlFragmented)
    }

    @Test func reservedBits() {
        for opcode in UInt8(0)..<16 where Opcode.isKnown(opcode) {
            for rsv in UInt8(0)..<8 {
                for allowed in [false, true] {
                    let isRight = rsv == 0 || rsv == 4 && allowed && (opcode == 1 || opcode == 2)
                    let verdict = fault([0x80 | rsv << 4 | opcode, 0x80, 1, 2, 3, 4], rsv1Allowed: allowed)
                    #expect(verdict == (isRight ? nil : .reservedBits), "opcode \(opcode) rsv \(rsv) \(allowed)")
                }
            }
        }
    }

    /// For random bytes, a verdict on a prefix is the verdict on the whole.
    @Test func verdictsDoNotDependOnCuts() {
        var random = Seeded(1)
        for _ in 0..<20_000 {
            var bytes = (0..<14).map { _ in UInt8.random(in: 0...255, using: &random) }
            bytes[1] = [bytes[1], 0xFE, 0xFF][Int.random(in: 0..<3, using: &random)]
            if Bool.random(using: &random) { for index in 2..<8 { bytes[index] = 0 } }
            let whole = "\(parse(bytes, rsv1Allowed: true))"
            for cut in 0..<14 {
                let part = parse(Array(bytes[..<cut]), rsv1Allowed: true)
                if case .needMore = part { continue }
                #expect("\(part)" == whole)
            }
        }
    }
}
