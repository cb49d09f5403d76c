public import ClarionLog
public import ClarionSettings

/// Runs a node with `settings` until a signal ends it.
/// - Returns: the exit status of the process: 0 after an orderly stop.
public func runNode(settings: Settings, log: Logger) -> Int32 {
    log.info(
        "settings",
        [
            "host": .text(settings.host), "port": LogValue(settings.port), "workers": LogValue(settings.workers),
            "backend": .text(settings.backend.rawValue), "apps": LogValue(settings.apps.count),
        ])
    return 0
}
