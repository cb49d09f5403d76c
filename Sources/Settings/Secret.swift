/// A text that must not appear in logs, tables or dumps: however it is printed, a mask comes out.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself, for the one place that computes with it.
    public let revealed: String

    public init(_ revealed: String) { self.revealed = revealed }

    public var description: String { Self.mask }
    public var debugDescription: String { Self.mask }
    public var customMirror: Mirror { Mirror(reflecting: Self.mask) }

    /// What stands where a secret would.
    static let mask = "••••••"
}
