import ClarionLog
import ClarionLoop
import ClarionSettings

/// Whether the kernel makes records of TLS; one log line says so, and why not. nil: it was asked for and cannot be had.
func chooseKernelTLS(_ choice: KernelTLS, usesUring: Bool, _ log: Logger) -> Bool? {
    if choice == .off { return false }
    let risk = kernelRecordsRisk()
    if choice == .auto, let risk {
        log.info("kernel TLS", ["used": "no", "why": .text("\(risk); tls.kernel = \"on\" uses it all the same")])
        return false
    }
    guard let missing = whyNoKernelRecords(usesUring: usesUring) else {
        log.info("kernel TLS", ["used": "yes", "why": choice == .on ? "asked for" : "the kernel has it"])
        if let risk { log.warning("kernel TLS", ["risk": .text(risk)]) }
        return true
    }
    if choice == .on {
        log.error("kernel TLS", ["error": .text("tls.kernel is on, and cannot be had: \(missing)")])
        return nil
    }
    log.info("kernel TLS", ["used": "no", "why": .text(missing)])
    return false
}
