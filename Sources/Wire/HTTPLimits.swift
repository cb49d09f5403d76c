/// How much of a request is read before it is refused. All in bytes unless the name says otherwise.
public struct HTTPLimits: Sendable {
    /// The whole head, its empty line included; beyond it 431.
    public var headBytesMax: Int
    /// The request line without its line end; beyond it 414.
    public var requestLineBytesMax: Int
    /// One field line without its line end; beyond it 431.
    public var fieldLineBytesMax: Int
    /// Field lines in a head; beyond it 431.
    public var fieldsMax: Int

    public static let headBytesMaxDefault = 8192
    public static let requestLineBytesMaxDefault = 4096
    public static let fieldLineBytesMaxDefault = 4096
    public static let fieldsMaxDefault = 64

    public init(
        headBytesMax: Int = HTTPLimits.headBytesMaxDefault,
        requestLineBytesMax: Int = HTTPLimits.requestLineBytesMaxDefault,
        fieldLineBytesMax: Int = HTTPLimits.fieldLineBytesMaxDefault,
        fieldsMax: Int = HTTPLimits.fieldsMaxDefault
    ) {
        self.headBytesMax = headBytesMax
        self.requestLineBytesMax = requestLineBytesMax
        self.fieldLineBytesMax = fieldLineBytesMax
        self.fieldsMax = fieldsMax
    }
}
