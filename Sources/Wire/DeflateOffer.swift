public import ClarionBytes

/// What a client offers of permessage-deflate (RFC 7692 section 7.1), every parameter legal.
public struct DeflateOffer: Equatable, Sendable {
    public var serverNoContextTakeover = false
    public var clientNoContextTakeover = false
    /// The largest window the server may use, 8...15 bits; nil when the client does not say.
    public var serverWindowBitsMax: Int?
    /// The client lets the server bound the client's own window.
    public var clientWindowMayBeBounded = false
    /// The largest window the client will use anyway, 8...15 bits; nil when it does not say.
    public var clientWindowBitsMax: Int?

    public init() {}

    /// The first acceptable offer of a request, in the order of its fields and their elements; nil when there is none.
    ///
    /// An offer with an unknown, repeated or illegal parameter is not acceptable; other extensions are passed over. A
    /// field that does not follow the grammar makes all of them void: where an offer ends cannot be known then.
    public static func first(in head: HTTPHead) -> DeflateOffer? {
        var found: DeflateOffer?
        var fields = HTTPFields(head)
        while let field = fields.next() {
            if !field.name.equalsIgnoringCase("sec-websocket-extensions") { continue }
            var list = ExtensionList(field.value)
            while let name = list.next() {
                let offer = read(&list, isOurs: name == "permessage-deflate")
                if found == nil { found = offer }
            }
            if list.isMalformed { return nil }
        }
        return found
    }

    /// Reads the parameters of the extension at hand; nil when it is another one, or not acceptable.
    private static func read(_ list: inout ExtensionList, isOurs: Bool) -> DeflateOffer? {
        var offer = DeflateOffer()
        var isAcceptable = isOurs
        var seen: UInt8 = 0
        while let parameter = list.nextParameter() {
            if !isAcceptable { continue }
            let before = seen
            isAcceptable = offer.take(parameter, &seen) && seen != before
        }
        return isAcceptable ? offer : nil
    }

    /// Takes one parameter and marks it in `seen`; one that was marked before changes nothing there.
    private mutating func take(_ parameter: ExtensionParameter, _ seen: inout UInt8) -> Bool {
        if parameter.name == "server_no_context_takeover" {
            seen |= 1
            serverNoContextTakeover = true
            return parameter.value == nil
        }
        if parameter.name == "client_no_context_takeover" {
            seen |= 2
            clientNoContextTakeover = true
            return parameter.value == nil
        }
        if parameter.name == "server_max_window_bits" {
            seen |= 4
            serverWindowBitsMax = DeflateOffer.windowBits(parameter)
            return serverWindowBitsMax != nil
        }
        if parameter.name == "client_max_window_bits" {
            seen |= 8
            clientWindowMayBeBounded = true
            if parameter.value == nil { return true }
            clientWindowBitsMax = DeflateOffer.windowBits(parameter)
            return clientWindowBitsMax != nil
        }
        return false
    }

    private static func windowBits(_ parameter: ExtensionParameter) -> Int? {
        guard let number = parameter.number, number >= DeflateAgreement.windowBitsMin else { return nil }
        return number <= DeflateAgreement.windowBitsMax ? number : nil
    }
}

/// What was agreed on for a connection.
public struct DeflateAgreement: Equatable, Sendable, BitwiseCopyable {
    public static let windowBitsMin = 8
    public static let windowBitsMax = 15

    /// The window of what the server sends, and of what the client sends, 8...15 bits.
    public var serverWindowBits: Int
    public var clientWindowBits: Int
    /// Messages of the server, or of the client, may refer to earlier ones.
    public var serverTakesOver: Bool
    public var clientTakesOver: Bool
    /// Whether the answer names the two windows.
    public var namesServerWindow: Bool
    public var namesClientWindow: Bool

    /// No message refers to another, so the server keeps nothing for the connection. The window is the largest of
    /// `windows` (8 is one of them) within what was offered, so that connections share few of them.
    public static func shared(_ offer: DeflateOffer, windows: [Int]) -> DeflateAgreement {
        let most = offer.serverWindowBitsMax ?? windowBitsMax
        return DeflateAgreement(
            serverWindowBits: windows.filter { $0 <= most }.max() ?? windowBitsMin,
            clientWindowBits: offer.clientWindowBitsMax ?? windowBitsMax, serverTakesOver: false,
            clientTakesOver: false, namesServerWindow: offer.serverWindowBitsMax != nil, namesClientWindow: false)
    }

    /// Context takeover on both sides unless the client wants none, with windows of at most `windowBits`. A client that
    /// does not let its window be bounded has the largest, if it takes over.
    public static func dedicated(_ offer: DeflateOffer, windowBits: Int) -> DeflateAgreement {
        let serverBits = min(offer.serverWindowBitsMax ?? windowBitsMax, windowBits)
        let isBounded = offer.clientWindowMayBeBounded && !offer.clientNoContextTakeover
        let clientBits = isBounded ? min(offer.clientWindowBitsMax ?? windowBitsMax, windowBits) : windowBitsMax
        return DeflateAgreement(
            serverWindowBits: serverBits, clientWindowBits: clientBits, serverTakesOver: !offer.serverNoContextTakeover,
            clientTakesOver: !offer.clientNoContextTakeover,
            namesServerWindow: offer.serverWindowBitsMax != nil || serverBits < windowBitsMax,
            namesClientWindow: isBounded && clientBits < windowBitsMax)
    }

    /// The value of the answer's Sec-WebSocket-Extensions field.
    public func append(to buffer: inout ByteBuffer) {
        buffer.append("permessage-deflate")
        if !serverTakesOver { buffer.append("; server_no_context_takeover") }
        if !clientTakesOver { buffer.append("; client_no_context_takeover") }
        if namesServerWindow {
            buffer.append("; server_max_window_bits=")
            buffer.append(decimal: UInt64(serverWindowBits))
        }
        if namesClientWindow {
            buffer.append("; client_max_window_bits=")
            buffer.append(decimal: UInt64(clientWindowBits))
        }
    }
}
