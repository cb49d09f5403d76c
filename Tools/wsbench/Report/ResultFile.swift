public import FoundationEssentials

/// A file that holds no result, and why.
public struct ResultFileError: Error, CustomStringConvertible {
    /// The reason, for people, with the file's name in it.
    public var description: String
}

/// Results in files. A file holds one result, a list of them, or one after the other, a line each.
public enum ResultFile {
    /// A file larger than this is no result.
    static let bytesMax = 1 << 28

    /// One result as JSON, keys in order, without a line end at the end.
    /// - Parameter isOneLine: for files with a result a line.
    public static func json(_ result: RunResult, isOneLine: Bool = false) throws -> Data {
        try encoder(isOneLine: isOneLine).encode(result)
    }

    /// The same with a report of the run's own under the key `report`, which readers of results pass over.
    static func json(_ result: RunResult, report: (any Encodable & Sendable)?, isOneLine: Bool) throws -> Data {
        guard let report else { return try json(result, isOneLine: isOneLine) }
        return try encoder(isOneLine: isOneLine).encode(ReportedResult(result: result, report: report))
    }

    private struct ReportedResult: Encodable {
        var result: RunResult
        var report: any Encodable

        private enum Key: CodingKey { case report }

        func encode(to encoder: any Encoder) throws {
            try result.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(report, forKey: .report)
        }
    }

    private static func encoder(isOneLine: Bool) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if !isOneLine { encoder.outputFormatting.insert(.prettyPrinted) }
        return encoder
    }

    /// The results in a file.
    public static func read(_ path: String) throws(ResultFileError) -> [RunResult] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw ResultFileError(description: "\(path) cannot be read: does it exist, and may you read it?")
        }
        guard data.count <= bytesMax else { throw ResultFileError(description: "\(path) is too large to be a result") }
        return try results(in: data, path: path)
    }

    static func results(in data: Data, path: String) throws(ResultFileError) -> [RunResult] {
        let decoder = JSONDecoder()
        let first = data.first { !UInt8(ascii: " ").isSpaceLike($0) }
        do {
            if first == UInt8(ascii: "[") { return try checked(decoder.decode([RunResult].self, from: data), path) }
            if let one = try? decoder.decode(RunResult.self, from: data) { return try checked([one], path) }
            let lines = data.split(separator: UInt8(ascii: "\n")).filter { line in
                line.contains { !UInt8(ascii: " ").isSpaceLike($0) }
            }
            // A document over many lines is not a result a line: then the reason lies in the whole.
            let isLineByLine = lines.count > 1 && lines[0].last == UInt8(ascii: "}")
            guard isLineByLine else { return try [decoder.decode(RunResult.self, from: data)] }
            return try checked(lines.map { try decoder.decode(RunResult.self, from: $0) }, path)
        } catch let error as ResultFileError {
            throw error
        } catch {
            throw ResultFileError(description: "\(path) holds no result of wsbench: \(reason(error))")
        }
    }

    private static func checked(_ results: [RunResult], _ path: String) throws(ResultFileError) -> [RunResult] {
        for result in results where result.schema != RunResult.schemaName {
            throw ResultFileError(
                description: "\(path) is of the format \(result.schema), and this program reads \(RunResult.schemaName)"
            )
        }
        guard !results.isEmpty else { throw ResultFileError(description: "\(path) holds no result at all") }
        return results
    }

    private static func reason(_ error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
            return path.isEmpty ? "" : " at \(path.joined(separator: "."))"
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context): "the key \(key.stringValue)\(place(context)) is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            context.debugDescription + place(context)
        default: "\(error)"
        }
    }
}

extension UInt8 {
    /// Whether another byte is white space of JSON.
    fileprivate func isSpaceLike(_ byte: UInt8) -> Bool { byte == self || (9...13).contains(byte) }
}
