/// The value of a field of a log line.
///
/// Secrets have no place here: the type that holds them prints a mask.
public enum LogValue: Sendable, Equatable {
    case text(String)
    case integer(Int64)
    case unsigned(UInt64)
    case number(Double)
    case boolean(Bool)
}

extension LogValue {
    public init(_ value: some BinaryInteger) {
        if let exact = Int64(exactly: value) {
            self = .integer(exact)
        } else {
            self = .unsigned(UInt64(clamping: value))
        }
    }
}

extension LogValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral
{
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
}

/// The fields of a log line in their order, written as a dictionary literal: `["host": .text(host), "port": 8080]`.
public struct LogFields: Sendable, ExpressibleByDictionaryLiteral {
    var pairs: [(key: String, value: LogValue)]

    public init(dictionaryLiteral elements: (String, LogValue)...) {
        pairs = elements.map { (key: $0.0, value: $0.1) }
    }

    /// Adds a field behind the others.
    public mutating func append(_ key: String, _ value: LogValue) {
        pairs.append((key: key, value: value))
    }
}
