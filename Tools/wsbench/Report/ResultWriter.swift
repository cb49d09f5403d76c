import FoundationEssentials
import Glibc

/// Where a result goes besides the table on the terminal.
public struct ResultWriter: Sendable {
    /// A file for JSON, `-` for standard output.
    public var json: String?
    /// Whether JSON is added to the file as one more line instead of replacing what is there.
    public var appendsJSON = false
    /// Files for the log of histograms and for the page.
    public var hlog: String?
    public var html: String?

    /// A file that cannot be written, and why.
    public struct WriteError: Error, CustomStringConvertible {
        /// The reason, for people.
        public var description: String
    }

    /// Writes nothing until it is told where.
    public init() {}

    /// Whether standard output belongs to a program and must not get the table.
    public var takesStandardOutput: Bool { json == "-" }

    /// Sees to it that every file can be written, before a run that may take an hour.
    public func check() throws(WriteError) {
        for path in [json, hlog, html].compactMap({ $0 }) where path != "-" {
            let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw Self.error(path) }
            close(descriptor)
        }
        guard hlog != "-", html != "-" else {
            throw WriteError(description: "only --json can go to standard output; give the others a file name")
        }
    }

    /// Writes everything that was asked for.
    /// - Parameter report: what the run says in its own words; it goes into the JSON under the key `report`.
    public func write(_ result: RunResult, report: (any Encodable & Sendable)? = nil) throws {
        if let json {
            let isOneLine = appendsJSON && json != "-"
            let text = try ResultFile.json(result, report: report, isOneLine: isOneLine) + [UInt8(ascii: "\n")]
            try Self.write(text, to: json, appends: isOneLine)
        }
        if let hlog { try Self.write(Data(HistogramLog.text(result).utf8), to: hlog, appends: false) }
        if let html { try Self.write(Data(try ReportPage.html(result).utf8), to: html, appends: false) }
    }

    private static func write(_ data: Data, to path: String, appends: Bool) throws(WriteError) {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (appends ? O_APPEND : O_TRUNC)
        let descriptor = unsafe path == "-" ? 1 : open(path, flags, 0o644)
        guard descriptor >= 0 else { throw error(path) }
        defer { if path != "-" { close(descriptor) } }
        var rest = [UInt8](data)[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw error(path) }
            rest = rest.dropFirst(written)
        }
    }

    private static func error(_ path: String) -> WriteError {
        WriteError(description: unsafe "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
