import ClarionBytes

// Mail between workers: collected during a turn, posted in batches before the turn flushes.

extension Core {
    /// Adds an item to the batch for worker `to`.
    func post(_ mail: Mail, to worker: Int) {
        unsafe add(mail, to: worker, list: &outgoing)
    }

    /// As `post`, behind everything else of this turn. A subscriber's worker that gets a message through another home
    /// must have what this worker ordered before; so deliveries are posted before publishes.
    func postPublish(_ mail: Mail, to worker: Int) {
        unsafe add(mail, to: worker, list: &outgoingPublishes)
    }

    private func add(_ mail: Mail, to worker: Int, list: inout PlainVector<UnsafeMutablePointer<MailBatch>?>) {
        let batch: UnsafeMutablePointer<MailBatch>
        if let open = unsafe list[worker] {
            unsafe batch = unsafe open
        } else {
            unsafe batch = unsafe takeBatch()
            unsafe list[worker] = unsafe batch
        }
        unsafe batch.pointee.items[batch.pointee.count] = mail
        unsafe batch.pointee.count += 1
        if unsafe batch.pointee.count == MailBatch.capacity {
            // A full batch of publishes may not overtake deliveries that are still being collected.
            postAll()
        }
    }

    /// Posts what was collected.
    func postAll() {
        unsafe postList(&outgoing)
        unsafe postList(&outgoingPublishes)
    }

    private func postList(_ list: inout PlainVector<UnsafeMutablePointer<MailBatch>?>) {
        for worker in 0..<exchange.workerCount {
            guard let batch = unsafe list[worker] else { continue }
            unsafe list[worker] = nil
            unsafe counters.mailSent += UInt64(batch.pointee.count)
            if unsafe exchange.post(batch, to: worker) { counters.wakeUps += 1 }
        }
    }

    private func takeBatch() -> UnsafeMutablePointer<MailBatch> {
        if let batch = unsafe spareBatches {
            unsafe spareBatches = unsafe batch.pointee.next
            spareBatchCount -= 1
            unsafe batch.pointee.count = 0
            return unsafe batch
        }
        let batch = UnsafeMutablePointer<MailBatch>.allocate(capacity: 1)
        unsafe batch.initialize(to: MailBatch())
        return unsafe batch
    }

    /// Batches that are kept for the next mail.
    private static let spareBatchesMax = 64

    /// Takes a read batch for later use.
    func recycle(_ batch: UnsafeMutablePointer<MailBatch>) {
        if spareBatchCount >= Core.spareBatchesMax {
            unsafe batch.deinitialize(count: 1)
            unsafe batch.deallocate()
            return
        }
        unsafe batch.pointee.next = unsafe spareBatches
        unsafe spareBatches = unsafe batch
        spareBatchCount += 1
    }

    /// Does what one item says, and gives back what it carries.
    func take(_ mail: Mail) {
        counters.mailReceived += 1
        switch mail.kind {
        case .publish:
            taken[Int(mail.from)] = mail.number
            if let frame = mail.frame { order(frame, excluded: mail.excludedNumber) }
        case .deliver:
            deliver(mail)
            mail.frame?.release()
        case .interest:
            takeInterest(mail)
            mail.frame?.release()
        case .joined:
            takeJoined(mail)
        case .ordered:
            takeOrdered(mail)
        case .call:
            guard let call = unsafe mail.call else { return }
            unsafe Unmanaged<MailCall>.fromOpaque(call).takeRetainedValue().body(self)
        case .stop:
            beginStop()
        }
    }

    /// Tells every worker whose publishes were taken that they have their place. The deliveries that came of them are
    /// posted first, so whoever goes on because of this comes behind them everywhere.
    func tellOrdered() {
        var any = false
        for worker in 0..<exchange.workerCount where taken[worker] != 0 {
            if !any { postAll() }
            any = true
            var mail = Mail(.ordered)
            mail.from = UInt8(workerIndex)
            mail.number = taken[worker]
            taken[worker] = 0
            post(mail, to: worker)
        }
        if any { postAll() }
    }
}
