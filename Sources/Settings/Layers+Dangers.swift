// Switches that are useful on a desk and dangerous elsewhere: in production the node does not start with one of them
// on; elsewhere it says so when others than this machine reach it.
extension Layers {
    mutating func judgeDangers() {
        guard problems.isEmpty else { return }
        let dangers = dangers()
        if configuration.settings.environment == .production {
            problems += dangers.map {
                SettingsProblem("\($0.key): \($0.sentence); in production \($0.remedy)")
            }
        } else if !isLoopback(configuration.settings.host) {
            configuration.warnings += dangers.map(\.sentence)
        }
        configuration.dangers = dangers.map(\.key)
    }

    private typealias Danger = (key: String, sentence: String, remedy: String)

    private func dangers() -> [Danger] {
        let settings = configuration.settings
        let realtime = settings.realtime
        let host = settings.host
        var found: [Danger] = []
        if configuration.hasEmbeddedApp {
            found.append(
                (
                    "apps",
                    "no application is configured, so anybody who reaches \(host) can publish with the well-known "
                        + "secret of app-id",
                    "configure an application"
                ))
        }
        if realtime.isEnabled, realtime.allowsPublishingWithoutSecret, realtime.secret == nil {
            found.append(
                (
                    "realtime.allow_without_secret",
                    "anybody who reaches \(host) can publish through /internal/broadcast", "set realtime.secret"
                ))
        }
        if settings.echo {
            found.append(("echo", "anybody who reaches \(host) can use /echo", "switch echo off"))
        }
        if settings.environment == .production {
            // Usual on a node that is being tried, so no warning elsewhere.
            if realtime.isEnabled, realtime.allowedOrigins.contains("*") {
                found.append(
                    ("realtime.allowed_origins", "pages of every origin can open /ws", "name the origins of your pages")
                )
            }
            if settings.authTimestampToleranceSeconds == 0 {
                found.append(
                    (
                        "auth_timestamp_tolerance_seconds", "a signed request can be sent again for ever",
                        "set a number of seconds"
                    ))
            }
        }
        return found
    }
}
