import CBench
import Glibc

/// Asks a server over HTTP what it is: clarion tells on `/metrics`, most others in the header `Server`.
public enum ServerProbe {
    private static let milliseconds: Int32 = 1_000
    private static let answerBytesMax = 1 << 20

    /// What it says over plain HTTP; nil when it does not answer in time and its processes are not known either.
    public static func ask(host: String, port: UInt16, processes: [Int32]) -> ServerIdentity? {
        var found = get("/metrics", host: host, port: port).map(identity) ?? ServerIdentity()
        found.processes = processes
        found.program = processes.first.flatMap { EnvironmentProbe.read("/proc/\($0)/comm") }
        return found.isEmpty ? nil : found
    }

    private static func identity(_ answer: String) -> ServerIdentity {
        var found = ServerIdentity()
        if let name = header("server", in: answer) { found.name = name }
        if let labels = labels(of: "clarion_info", in: answer) {
            found.name = "clarion"
            found.version = labels["version"]
            found.backend = labels["backend"]
            found.workers = labels["workers"].flatMap { Int($0) }
        }
        return found
    }

    /// The value of a header of an answer.
    static func header(_ name: String, in answer: String) -> String? {
        for line in answer.split(separator: "\r\n", omittingEmptySubsequences: false).dropFirst() {
            if line.isEmpty { return nil }
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }

    /// The labels of the first sample of a metric in the text format of Prometheus.
    static func labels(of metric: String, in text: String) -> [String: String]? {
        for line in text.split(whereSeparator: \.isNewline) where line.hasPrefix(metric + "{") {
            guard let end = line.lastIndex(of: "}") else { return nil }
            var labels: [String: String] = [:]
            for pair in line[line.index(line.startIndex, offsetBy: metric.count + 1)..<end].split(separator: ",") {
                guard let equals = pair.firstIndex(of: "=") else { continue }
                labels[String(pair[..<equals])] = pair[pair.index(after: equals)...].filter { $0 != "\"" }
            }
            return labels
        }
        return nil
    }

    private static func get(_ path: String, host: String, port: UInt16) -> String? {
        var address = cbench_address()
        guard unsafe cbench_resolve(host, port, &address) == 0 else { return nil }
        let descriptor = unsafe cbench_connect(&address, 0, milliseconds)
        guard descriptor >= 0 else { return nil }
        defer { cbench_close(descriptor) }
        let request = Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
        guard unsafe cbench_send(descriptor, request, request.count) == request.count else { return nil }
        let deadline = cbench_now() + UInt64(milliseconds) * 1_000_000
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16_384)
        while answer.count < answerBytesMax, cbench_now() < deadline {
            let got = unsafe cbench_receive(descriptor, &piece, piece.count)
            if got <= 0 { break }
            answer += piece[..<got]
        }
        return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self)
    }
}
