import CDeflate

/// What a client of the tests knows of permessage-deflate: zlib and the answer's parameters, nothing of the node's.
@safe final class ScriptedDeflate {
    private let decoder: OpaquePointer
    private let encoder: OpaquePointer
    private let serverTakesOver: Bool
    private let clientTakesOver: Bool

    /// nil when nothing was agreed on.
    init?(answer: String) {
        guard let line = answer.split(separator: "\r\n").first(where: { $0.hasPrefix("Sec-WebSocket-Extensions: ") })
        else { return nil }
        let words = line.dropFirst("Sec-WebSocket-Extensions: ".count).split(separator: ";").map {
            $0.drop { $0 == " " }
        }
        precondition(words.first == "permessage-deflate")
        serverTakesOver = !words.contains("server_no_context_takeover")
        clientTakesOver = !words.contains("client_no_context_takeover")
        func bits(_ name: String) -> Int32 {
            words.first { $0.hasPrefix(name + "=") }.flatMap { Int32($0.dropFirst(name.count + 1)) } ?? 15
        }
        guard let decoder = unsafe cdeflate_decoder_make(bits("server_max_window_bits")),
            let encoder = unsafe cdeflate_encoder_make(6, max(bits("client_max_window_bits"), 9), 5)
        else { preconditionFailure("no memory") }
        unsafe self.decoder = unsafe decoder
        unsafe self.encoder = unsafe encoder
    }

    deinit {
        unsafe cdeflate_decoder_free(decoder)
        unsafe cdeflate_encoder_free(encoder)
    }

    /// A message; nil when it is no DEFLATE data.
    func inflate(_ payload: [UInt8]) -> [UInt8]? {
        if !serverTakesOver { unsafe cdeflate_decoder_reset(decoder) }
        let input = payload + [0, 0, 0xFF, 0xFF]
        var output = [UInt8](repeating: 0, count: 1 << 20)
        var taken = 0
        var written = 0
        let result = unsafe cdeflate_decode(
            decoder, input, input.count, &output, output.count, &taken, &written)
        if result != Int32(CDEFLATE_DONE) || taken != input.count { return nil }
        return Array(output[..<written])
    }

    func deflate(_ payload: [UInt8]) -> [UInt8] {
        if !clientTakesOver { unsafe cdeflate_encoder_reset(encoder) }
        var output = [UInt8](repeating: 0, count: payload.count + payload.count / 8 + 64)
        var taken = 0
        var written = 0
        let result = unsafe cdeflate_encode(
            encoder, payload, payload.count, 1, &output, output.count, &taken, &written)
        precondition(result == Int32(CDEFLATE_DONE) && taken == payload.count)
        return Array(output[..<(written - 4)])
    }
}
