import ClarionBytes

// What fan-out is made of, driven by the bytes of the input beside simple models: a channel's log, the table of names,
// the pool of blocks, slabs of slots. `ChannelLog.swift` of the engine is compiled into this target.

/// Bytes of the input, one after the other; zeros behind its end.
private struct Script {
    let bytes: ByteView
    var position = 0

    init(_ bytes: ByteView) { self.bytes = bytes }

    var isOver: Bool { position >= bytes.count }

    mutating func next() -> Int {
        defer { position += 1 }
        return isOver ? 0 : Int(bytes[position])
    }
}

private func fuzzLog(_ script: inout Script) {
    var pool = BlockPool()
    var log = ChannelLog()
    var messages: [(mark: UInt8, end: UInt64)] = []
    var start: UInt64 = 0
    var stamp: UInt64 = 0
    while !script.isOver {
        let operation = script.next()
        switch operation & 7 {
        case 0...4:
            let count = 1 + script.next() * (operation >> 3)
            let mark = UInt8(truncatingIfNeeded: operation &+ count)
            let frame = [UInt8](repeating: mark, count: count)
            if !log.fits(count) { log.grow(count, pool: &pool) }
            stamp += 1
            unsafe frame.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                let view = unsafe ByteView(base: base, count: count)
                log.append(view, stamp: stamp, offset: stamp, excludedSlot: 0, excludedGeneration: 0)
            }
            messages.append((mark, log.head))
        case 5, 6:
            let dropped = script.next() % (messages.count + 1)
            log.dropFirst(dropped)
            if dropped > 0 { start = messages[dropped - 1].end }
            messages.removeFirst(dropped)
        default:
            log.reset(pool: &pool)
            start = messages.last?.end ?? start
            messages = []
            require(pool.outstandingBytes == 0, "an empty log holds memory")
        }
        log.checkInvariants()
        require(log.start == start && log.head == messages.last?.end ?? start, "the log lost its place")
        if messages.isEmpty { continue }
        let index = script.next() % messages.count
        let beginning = log.beginning(ofEntry: index)
        require(beginning == (index == 0 ? start : messages[index - 1].end), "a message begins elsewhere")
        require(log.entryIndex(behind: beginning) == index, "another message is found")
        let last = Int(messages[index].end - beginning) - 1
        let bytes = unsafe log.pointer(at: beginning)
        require(unsafe bytes[0] == messages[index].mark && bytes[last] == messages[index].mark, "other bytes")
    }
    log.reset(pool: &pool)
    require(pool.outstandingBytes == 0, "blocks are missing")
}

private func fuzzNames(_ script: inout Script) {
    var table = NameTable()
    var model: [UInt32: UInt64] = [:]
    var order: [UInt32] = []
    var next: UInt32 = 0
    while !script.isOver {
        let operation = script.next()
        if operation & 3 != 0 || order.isEmpty {
            // Few hashes, near each other and around the end of the table.
            let hash = UInt64(script.next() >> (operation & 4)) &- 32
            table.insert(hash, slot: next)
            model[next] = hash
            order.append(next)
            next += 1
        } else {
            let slot = order.remove(at: script.next() % order.count)
            guard let hash = model.removeValue(forKey: slot) else { fatalError("the model lost \(slot)") }
            table.remove(hash, slot: slot)
            require(table.find(hash) { $0 == slot } == nil, "a removed name is found")
        }
        require(table.count == model.count, "another number of names")
        for (slot, hash) in model { require(table.find(hash) { $0 == slot } == slot, "a name is not found") }
    }
}

private func fuzzSlab(_ script: inout Script) {
    let capacity = 1 + script.next() % 20
    var slab = Slab(capacity: capacity, pristine: UInt32(1))
    var model: [UInt32: UInt32] = [:]
    while !script.isOver {
        let operation = script.next()
        if operation & 1 == 0 {
            let slot = slab.take()
            require((slot == nil) == (model.count == capacity), "full and not")
            guard let slot else { continue }
            require(unsafe slab[slot].pointee == 1 && model[slot] == nil, "a slot in use, or a used one")
            unsafe slab[slot].pointee = UInt32(operation) + 2
            model[slot] = UInt32(operation) + 2
        } else {
            let slot = UInt32(operation >> 1) % UInt32(capacity + 2)
            require(slab.isInUse(slot) == (model[slot] != nil), "in use and not")
            guard let value = model.removeValue(forKey: slot) else { continue }
            require(unsafe slab[slot].pointee == value, "another value")
            let generation = slab.generation(of: slot)
            slab.give(slot)
            require(slab.generation(of: slot) != generation && !slab.isInUse(slot), "a stale token would be current")
        }
        require(slab.count == model.count, "another number of slots")
    }
}

private func fuzzPool(_ script: inout Script) {
    var pool = BlockPool()
    var blocks: [(block: Block, used: Int, mark: UInt8)] = []
    while !script.isOver {
        let operation = script.next()
        switch operation & 3 {
        case 0, 1:
            let used = script.next() << (operation >> 5)
            let block = pool.take(used)
            let mark = UInt8(operation)
            unsafe block.base?.initialize(repeating: mark, count: Int(block.capacity))
            blocks.append((block, used, mark))
        case 2:
            if blocks.isEmpty { continue }
            let index = script.next() % blocks.count
            let wanted = script.next() << (operation >> 4)
            pool.grow(&blocks[index].block, used: blocks[index].used, to: wanted)
            require(Int(blocks[index].block.capacity) >= wanted, "a block that did not grow")
        default:
            if blocks.isEmpty { continue }
            var (block, used, mark) = blocks.remove(at: script.next() % blocks.count)
            if used > 0, let base = unsafe block.base {
                require(unsafe base[0] == mark && base[used - 1] == mark, "another one's bytes")
            }
            pool.give(&block)
        }
        let outstanding = blocks.reduce(0) { $0 + Int($1.block.capacity) }
        require(pool.outstandingBytes == outstanding, "blocks are counted wrong")
    }
    for index in blocks.indices { pool.give(&blocks[index].block) }
    require(pool.outstandingBytes == 0, "blocks are missing")
}

private func fuzz(_ input: ByteView) {
    var script = Script(input)
    switch script.next() & 3 {
    case 0: fuzzLog(&script)
    case 1: fuzzNames(&script)
    case 2: fuzzSlab(&script)
    default: fuzzPool(&script)
    }
}

@c(LLVMFuzzerTestOneInput)
public func fuzzFanOut(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unsafe fuzz(ByteView(base: bytes, count: count))
    return 0
}
