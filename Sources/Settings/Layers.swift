/// Merges flags, environment and file over the defaults, and collects what is wrong on the way.
struct Layers {
    /// Applications that the environment can describe: `CLARION_APP_…`, `CLARION_APP2_…` up to this number.
    static let environmentAppsMax = 9

    let input: Configuration.Input
    let file: SettingsFile?
    var configuration = Configuration()
    var problems: [SettingsProblem] = []
    /// Where each application got its id and its key from.
    private var identities: [(id: String, key: String)] = []

    init(input: Configuration.Input, file: SettingsFile?) {
        self.input = input
        self.file = file
    }

    /// The merged configuration; of no use when there are `problems`.
    mutating func merge() -> Configuration {
        mergeNode()
        mergeApps()
        mergeListeners()
        checkFileKeys()
        checkTogether()
        warnOfUnknownVariables()
        warnOfHiddenGaps()
        judgeDangers()
        return configuration
    }

    private mutating func mergeNode() {
        var settings = Settings()
        for row in SettingTable.node + SettingTable.limits {
            let found = find(row, flagKey: row.key, prefix: "", number: "", items: file?.node ?? [])
            var source = put(found, row, into: &settings)
            if row.key == "realtime.max_message_bytes", found == nil, settings.realtime.acceptsPublish {
                settings.realtime.messageBytesMax = RealtimeSettings.messageBytesMaxWithPublish
                source = .preset("because of realtime.publish")
            }
            configuration.entries.append(Configuration.Entry(key: row.key, value: row.read(settings), source: source))
        }
        configuration.settings = settings
    }

    private mutating func mergeApps() {
        var apps: [AppSettings] = []
        let count = max(file?.apps.count ?? 0, Self.environmentAppsMax)
        let sources = configuration.settings.appSources
        let mayBeNone = !sources.file.isEmpty || sources.store != nil
        for index in 0..<count {
            let inFile = file.flatMap { index < $0.apps.count ? $0.apps[index] : nil }
            let items = inFile?.items ?? []
            let number = index == 0 ? "" : String(index + 1)
            let identity = SettingTable.app.prefix { ["id", "key", "secret"].contains($0.key) }
            var found: [(SettingRow<AppSettings>, Found?)] = []
            for row in SettingTable.app {
                let flagKey = index == 0 ? "app.\(row.key)" : ""
                found.append((row, find(row, flagKey: flagKey, prefix: "APP\(number)", number: number, items: items)))
            }
            let missing = found.prefix(identity.count).filter { $0.1 == nil }.map(\.0.key)
            let isEmpty = found.allSatisfy { $0.1 == nil } && inFile == nil
            if isEmpty && (index > 0 || mayBeNone) { continue }
            let isEmbedded = index == 0 && missing.count == identity.count && !mayBeNone && inFile == nil
            if !isEmbedded, !missing.isEmpty {
                let place = inFile.map { "\(file?.path ?? ""):\($0.line): " } ?? ""
                problems.append(
                    SettingsProblem(
                        "\(place)application \(index + 1) has no \(missing.joined(separator: ", no ")); "
                            + "it needs all of id, key and secret"))
            }
            var app = isEmbedded ? AppSettings.embedded : AppSettings()
            for (row, value) in found {
                var source = put(value, row, into: &app)
                if isEmbedded, value == nil, identity.contains(where: { $0.key == row.key }) {
                    source = .preset("no application is configured")
                }
                configuration.entries.append(
                    Configuration.Entry(key: "apps.\(apps.count + 1).\(row.key)", value: row.read(app), source: source))
            }
            identities.append((id: "\(found[0].1?.source ?? .preset(""))", key: "\(found[1].1?.source ?? .preset(""))"))
            mergeWebhooks(inFile?.webhooks ?? [], number: apps.count + 1, into: &app)
            apps.append(app)
            configuration.hasEmbeddedApp = configuration.hasEmbeddedApp || isEmbedded
        }
        configuration.settings.apps = apps
    }

    private mutating func mergeListeners() {
        for (index, items) in (file?.listeners ?? []).enumerated() {
            var listener = ListenerSettings()
            for row in SettingTable.listener {
                let item = items.last { $0.key == row.key }
                let found = item.map { Found(value: $0.value, source: .file(path: file?.path ?? "", line: $0.line)) }
                let source = put(found, row, into: &listener)
                configuration.entries.append(
                    Configuration.Entry(
                        key: "listeners.\(index + 1).\(row.key)", value: row.read(listener), source: source))
            }
            configuration.settings.listeners.append(listener)
        }
    }

    private mutating func mergeWebhooks(_ list: [[SettingsFile.Item]], number: Int, into app: inout AppSettings) {
        guard let file else { return }
        for items in list {
            var reader = AppReader(place: file.path)
            let webhook = reader.webhook(items)
            problems += reader.problems
            app.webhooks.append(webhook)
            let prefix = "apps.\(number).webhooks.\(app.webhooks.count)"
            for row in SettingTable.webhook {
                let line = items.last { $0.key == row.key }?.line
                configuration.entries.append(
                    Configuration.Entry(
                        key: "\(prefix).\(row.key)", value: row.read(webhook),
                        source: line.map { .file(path: file.path, line: $0) } ?? .preset("")))
            }
            for name in webhook.headers.keys.sorted() {
                let line = items.last { $0.key == "headers.\(name)" }?.line ?? 1
                configuration.entries.append(
                    Configuration.Entry(
                        key: "\(prefix).headers.\(name)", value: .masked, source: .file(path: file.path, line: line)))
            }
        }
    }

    /// A raw value with its source.
    private struct Found {
        let value: SettingValue
        let source: Configuration.Source
    }

    /// The first layer that has a value for `row`. An empty variable counts as not set.
    private func find<Root>(
        _ row: SettingRow<Root>, flagKey: String, prefix: String, number: String, items: [SettingsFile.Item]
    ) -> Found? {
        if let value = input.flags[flagKey] { return Found(value: value, source: .flag(flagKey.flagName)) }
        let own = row.environmentName(prefix: prefix)
        if let text = input.environment[own], !text.isEmpty {
            return Found(value: .text(text), source: .environment(own))
        }
        for other in row.otherEnvironment {
            let name = other.name.replacing("{n}", with: number)
            if let text = input.environment[name], !text.isEmpty, let part = other.part(text) {
                return Found(value: .text(part), source: .environment(name))
            }
        }
        guard let item = items.last(where: { $0.key == row.key || row.otherKeys.contains($0.key) }) else { return nil }
        return Found(value: item.value, source: .file(path: file?.path ?? "", line: item.line))
    }

    /// Assigns what was found and returns its source; notes a problem when it is not allowed.
    private mutating func put<Root>(
        _ found: Found?, _ row: SettingRow<Root>, into root: inout Root
    ) -> Configuration.Source {
        guard let found else { return .preset("") }
        if !row.assign(found.value, &root) {
            let shown = row.isSecret ? "its value" : "'\(found.value.shown)'"
            var isFlag = false
            if case .flag = found.source { isFlag = true }
            problems.append(
                SettingsProblem(
                    "\(found.source): \(row.key) cannot be \(shown); allowed is \(row.allowed)", isFlag: isFlag))
        }
        return found.source
    }

    private mutating func checkFileKeys() {
        guard let file else { return }
        let nodeRows = SettingTable.node + SettingTable.limits
        let nodeKeys = nodeRows.map(\.key) + nodeRows.flatMap(\.otherKeys)
        let appKeys = SettingTable.app.map(\.key) + SettingTable.app.flatMap(\.otherKeys)
        let listenerKeys = SettingTable.listener.map(\.key)
        let lists = file.apps.map { ($0.items, appKeys) } + file.listeners.map { ($0, listenerKeys) }
        for (items, known) in [(file.node, nodeKeys)] + lists {
            for item in items where !known.contains(item.key) {
                let hint = nearest(to: item.key, in: known).map { "; did you mean \($0)?" } ?? "; remove it"
                problems.append(SettingsProblem("\(file.path):\(item.line): there is no setting \(item.key)\(hint)"))
            }
        }
    }

    /// Rules that concern more than one setting.
    private mutating func checkTogether() {
        guard problems.isEmpty else { return }
        checkEdge()
        let settings = configuration.settings
        for (name, path, source) in [
            ("id", \AppSettings.id, \(id: String, key: String).id), ("key", \.key, \.key),
        ] {
            var seen: [String: String] = [:]
            for (app, identity) in zip(settings.apps, identities) {
                let value = app[keyPath: path]
                let place = identity[keyPath: source]
                if let other = seen[value] {
                    problems.append(
                        SettingsProblem(
                            "\(place): two applications have the \(name) \(value), the other by \(other); "
                                + "give each its own"
                        ))
                }
                seen[value] = place
            }
        }
        let realtime = settings.realtime
        if realtime.pongTimeoutSeconds <= realtime.pingIntervalSeconds {
            problems.append(
                SettingsProblem(
                    "realtime.pong_timeout_seconds is \(realtime.pongTimeoutSeconds); it must be more than "
                        + "realtime.ping_interval_seconds, which is \(realtime.pingIntervalSeconds)"))
        }
        let ofApps = settings.apps.map(\.messageBytesMax)
        let largest = ([settings.realtime.messageBytesMax, settings.requestBytesMax] + ofApps).max() ?? 0
        if settings.limits.logBytesMax < 2 * largest {
            problems.append(
                SettingsProblem(
                    "\(source(of: "limits.log_bytes_max")): limits.log_bytes_max is "
                        + "\(settings.limits.logBytesMax); it must be at least \(2 * largest), "
                        + "twice the largest message or request that is allowed"))
        }
    }

    /// Rules of TLS and of listeners.
    private mutating func checkEdge() {
        let settings = configuration.settings
        let tls = settings.tls
        var sentences: [String] = []
        if tls.certificates.count != tls.keys.count {
            sentences.append(
                "tls.cert has \(tls.certificates.count) and tls.key \(tls.keys.count) files; each certificate "
                    + "needs its key (--tls-key)")
        }
        if !tls.ocspAnswers.isEmpty, tls.ocspAnswers.count != tls.certificates.count {
            sentences.append("tls.ocsp must have as many files as tls.cert, with - where there is none")
        }
        if (tls.clientCertificates == .none) != tls.clientAuthority.isEmpty {
            sentences.append("tls.client_auth and tls.client_ca need each other")
        }
        if settings.listeners.count > SettingTable.furtherListenersMax {
            sentences.append(
                "there may be at most \(SettingTable.furtherListenersMax) listeners besides that of host and port")
        }
        for (index, listener) in settings.listeners.enumerated() {
            if (listener.port == nil) == listener.socket.isEmpty {
                sentences.append("listener \(index + 1) needs either a port or a socket")
            }
            if listener.speaksTLS, !tls.isEnabled {
                sentences.append("listener \(index + 1) speaks TLS, but there is no tls.cert")
            }
        }
        let isProxied =
            settings.expectsProxyHeader || settings.listeners.contains { $0.expectsProxyHeader && $0.socket.isEmpty }
        if isProxied, settings.trustedProxies.isEmpty {
            sentences.append("proxy_protocol needs trusted_proxies: nobody else's header is believed")
        }
        problems += sentences.map { SettingsProblem($0) }
    }

    /// A variable that looks like ours and is not: most likely a slip of the pen.
    private mutating func warnOfUnknownVariables() {
        var known = (SettingTable.node + SettingTable.limits).map { $0.environmentName() }
        for number in [""] + (2...Self.environmentAppsMax).map(String.init) {
            known += SettingTable.app.map { $0.environmentName(prefix: "APP\(number)") }
        }
        known.append("CLARION_CONFIG")
        for name in input.environment.keys.sorted() where name.hasPrefix("CLARION_") && !known.contains(name) {
            let hint = nearest(to: name, in: known).map { "; did you mean \($0)?" } ?? ""
            configuration.warnings.append("\(name) is set, but there is no such setting\(hint)")
        }
    }

    /// Raw mode has no word for messages that a slow reader lost.
    private mutating func warnOfHiddenGaps() {
        let settings = configuration.settings
        let isTold = settings.limits.slowConsumerPolicy == .close || settings.realtime.mode == .envelope
        if !settings.realtime.isEnabled || isTold { return }
        configuration.warnings.append(
            "slow readers of /ws in raw mode are not told what they lose under limits.slow_consumer_policy = "
                + "\(settings.limits.slowConsumerPolicy.rawValue)")
    }

    private func source(of key: String) -> String {
        configuration.entries.first { $0.key == key }.map { "\($0.source)" } ?? "default"
    }
}

/// Whether only this machine reaches an address.
func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.")
}

/// The known name that is at most two edits away, if one is.
func nearest(to name: String, in known: [String]) -> String? {
    known.map { ($0, editDistance(name, $0)) }.filter { $0.1 <= 2 }.min { $0.1 < $1.1 }?.0
}

/// Insertions, deletions and replacements that make one text of the other.
private func editDistance(_ left: String, _ right: String) -> Int {
    let right = Array(right.utf8)
    var row = Array(0...right.count)
    for (index, byte) in left.utf8.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in 0..<right.count {
            let above = row[column + 1]
            row[column + 1] = min(above + 1, row[column] + 1, diagonal + (byte == right[column] ? 0 : 1))
            diagonal = above
        }
    }
    return row[right.count]
}

extension String {
    /// The flag of a key.
    var flagName: String { replacing(".", with: "-").replacing("_", with: "-") }
}
