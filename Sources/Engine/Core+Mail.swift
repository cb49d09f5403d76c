import ClarionBytes

// Mail between workers: collected during a turn, posted in batches before the turn flushes.

extension Core {
    /// Adds an item to the batch for worker `to`.
    func post(_ mail: Mail, to worker: Int) {
        let batch = unsafe outgoing[worker] ?? takeBatch()
        unsafe outgoing[worker] = batch
        if unsafe Core.add(mail, batch) { postAll() }
    }

    /// As `post`, behind everything else of this turn. A subscriber's worker that gets a message through another home
    /// must have what this worker ordered before; so deliveries are posted before publishes.
    func postPublish(_ mail: Mail, to worker: Int) {
        let batch = unsafe outgoingPublishes[worker] ?? takeBatch()
        unsafe outgoingPublishes[worker] = batch
        if unsafe Core.add(mail, batch) { postAll() }
    }

    /// True when the batch is full. Then all must be posted: a batch of publishes may not overtake deliveries that are
    /// still being collected.
    private static func add(_ mail: Mail, _ batch: UnsafeMutablePointer<MailBatch>) -> Bool {
        unsafe batch.pointee.items[batch.pointee.count] = mail
        unsafe batch.pointee.count += 1
        return unsafe batch.pointee.count == MailBatch.capacity
    }

    /// Posts what was collected.
    func postAll() {
        for worker in 0..<exchange.workerCount {
            guard let batch = unsafe outgoing[worker] else { continue }
            unsafe outgoing[worker] = nil
            unsafe send(batch, to: worker)
        }
        for worker in 0..<exchange.workerCount {
            guard let batch = unsafe outgoingPublishes[worker] else { continue }
            unsafe outgoingPublishes[worker] = nil
            unsafe send(batch, to: worker)
        }
    }

    private func send(_ batch: UnsafeMutablePointer<MailBatch>, to worker: Int) {
        unsafe counters.mailSent += UInt64(batch.pointee.count)
        if unsafe exchange.post(batch, to: worker) { counters.wakeUps += 1 }
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
            if let frame = mail.frame { order(frame, excluded: mail.excludedNumber, keeps: mail.keeps) }
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
        case .enter:
            takeEnter(mail)
            mail.frame?.release()
        case .leave:
            takeLeave(mail)
            mail.frame?.release()
        case .entered:
            takeEntered(mail)
            mail.frame?.release()
        case .turnedAway:
            takeTurnedAway(mail)
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
