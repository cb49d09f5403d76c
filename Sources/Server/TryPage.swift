/// What the page to try a node has to know about it.
public struct TryPageFacts: Sendable {
    /// The public key of the application that the page connects to.
    public var appKey: String
    /// The prefix of the routes of the Pusher protocol, empty or beginning with a slash.
    public var pathPrefix: String
    /// Whether the application passes on events of clients.
    public var passesClientEvents: Bool
    /// Whether `/ws` is served.
    public var servesRealtime: Bool
    /// Whether clients of `/ws` may publish.
    public var realtimePublishes: Bool

    public init(
        appKey: String, pathPrefix: String = "", passesClientEvents: Bool, servesRealtime: Bool, realtimePublishes: Bool
    ) {
        self.appKey = appKey
        self.pathPrefix = pathPrefix
        self.passesClientEvents = passesClientEvents
        self.servesRealtime = servesRealtime
        self.realtimePublishes = realtimePublishes
    }
}

/// The page at `/`: connect, subscribe, publish and watch, over the Pusher protocol or the JSON protocol. One
/// document that loads nothing else and holds no secret; UTF-8, to be served as `text/html; charset=utf-8`.
public func tryPage(_ facts: TryPageFacts) -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; connect-src 'self' ws: wss:; img-src data:">
    <title>Clarion</title>
    <link rel="icon" href="data:,">
    <style>
    \(tryPageStyle)
    </style>
    </head>
    <body>
    \(tryPageBody)
    <script>
    const facts = \(script(facts));
    \(tryPageScript)
    </script>
    </body>
    </html>

    """
}

/// The facts as a JavaScript object.
private func script(_ facts: TryPageFacts) -> String {
    "{appKey: \(scriptString(facts.appKey)), prefix: \(scriptString(facts.pathPrefix)), "
        + "clientEvents: \(facts.passesClientEvents), realtime: \(facts.servesRealtime), "
        + "publish: \(facts.realtimePublishes)}"
}

/// A JavaScript string in which nothing can end the string or the script: all but letters, digits and few signs is
/// escaped.
private func scriptString(_ text: String) -> String {
    let plain = text.utf16.map { unit -> String in
        switch unit {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x2f, 0x5f, 0x7e:
            return String(UnicodeScalar(UInt8(truncatingIfNeeded: unit)))
        default:
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
        }
    }
    return "\"\(plain.joined())\""
}
