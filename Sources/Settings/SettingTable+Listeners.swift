import Glibc

extension SettingTable {
    /// TLS, and who stands between the node and its clients.
    static let edge: [SettingRow<Settings>] = [
        SettingRow(
            "tls.cert", \.tls.certificates, .list("paths of PEM files", where: isPath),
            "Certificates, each with the chain behind it: the port speaks TLS. The first is for clients that name no "
                + "host, or one that no certificate has."),
        SettingRow(
            "tls.key", \.tls.keys, .list("paths of PEM files", where: isPath),
            "The key of each certificate, in the same order, not encrypted."),
        SettingRow(
            "tls.ocsp", \.tls.ocspAnswers, .list("paths of DER files, or - for none", where: isPath),
            "An OCSP answer for each certificate, in the same order, which clients get that ask for it."),
        SettingRow("tls.min_version", \.tls.versionMin, .choice, "The oldest version of TLS that is spoken."),
        SettingRow(
            "tls.client_ca", \.tls.clientAuthority, .text("the path of a PEM file, or empty", where: isPathOrEmpty),
            "Issuers of the certificates that clients show."),
        SettingRow(
            "tls.client_auth", \.tls.clientCertificates, .choice,
            "Whether clients are asked for a certificate: not, without obligation, or refused when they have none."),
        SettingRow(
            "tls.kernel", \.tls.kernel, .choice,
            "Whether the kernel encrypts what WebSockets over TLS 1.3 are sent (kernel TLS, module tls; with io_uring "
                + "from Linux 6.7 on): from Linux 7.0 on where it can, always (the node does not start without), or "
                + "never. Older kernels may have CVE-2026-23240; where it is corrected, on is safe."),
        SettingRow(
            "proxy_protocol", \.expectsProxyHeader, .boolean,
            "Connections of trusted_proxies begin with a PROXY header, version 1 or 2, that names the client."),
        SettingRow(
            "trusted_proxies", \.trustedProxies,
            .list("addresses or networks, such as 10.0.0.0/8 and ::1", where: isNetwork),
            "Whose PROXY headers and X-Forwarded-For fields are believed."),
    ]

    /// Settings of each further listener. In the file they stand under `[[listeners]]`; there are no flags for them.
    public static let listener: [SettingRow<ListenerSettings>] = [
        SettingRow(
            "host", \.host, .text("an address or a name, or empty", where: isHostOrEmpty),
            "The address to listen on; the node's when empty."),
        SettingRow(
            "port", \.port, .optionalInteger(0...65_535), "The TCP port to listen on; 0 lets the system choose one."),
        SettingRow(
            "socket", \.socket, .text("a path of at most 107 bytes, or empty", where: isSocketPath),
            "The path of a Unix-domain socket to listen on, instead of host and port. A socket that is there already "
                + "is replaced when nobody listens on it."),
        SettingRow("tls", \.speaksTLS, .boolean, "Speaks TLS, with the certificates of tls.cert."),
        SettingRow(
            "proxy_protocol", \.expectsProxyHeader, .boolean,
            "As proxy_protocol of the node. On a Unix-domain socket whoever may connect is trusted."),
        SettingRow("deflate", \.deflateMost, .choice, "The most that connections here get of deflate.mode."),
    ]

    /// Listeners besides that of `host` and `port`.
    static let furtherListenersMax = 7
}

private let isPath: @Sendable (String) -> Bool = { text in
    !text.isEmpty && text.utf8.count < 4096 && !text.utf8.contains(0)
}

private let isPathOrEmpty: @Sendable (String) -> Bool = { $0.isEmpty || isPath($0) }

/// `sun_path` has 108 bytes, the last of which is 0.
private let isSocketPath: @Sendable (String) -> Bool = { text in
    text.utf8.count <= 107 && !text.utf8.contains(0)
}

private let isHostOrEmpty: @Sendable (String) -> Bool = { text in
    text.utf8.count <= 255
        && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") }
}

/// An IPv4 or IPv6 address, with or without the length of a prefix.
private let isNetwork: @Sendable (String) -> Bool = { text in
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    let host = String(parts[0])
    let isFour = unsafe withUnsafeMutableBytes(of: &bytes) { unsafe inet_pton(AF_INET, host, $0.baseAddress) } == 1
    let isSix = unsafe withUnsafeMutableBytes(of: &bytes) { unsafe inet_pton(AF_INET6, host, $0.baseAddress) } == 1
    guard isFour || isSix else { return false }
    if parts.count == 1 { return true }
    guard parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let length = Int(parts[1]) else { return false }
    return length <= (isFour ? 32 : 128)
}
