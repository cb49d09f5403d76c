import Testing

@testable import ClarionBytes

struct SlabTests {
    @Test
    func takesGivesAndTakesAgain() {
        var slab = Slab(capacity: 3, pristine: UInt64(7))
        check(slab.take() == 0)
        check(slab.take() == 1)
        check(slab.take() == 2)
        check(slab.take() == nil)
        check(slab.count == 3 && slab.touched == 3)
        unsafe slab[1].pointee = 99
        slab.give(1)
        check(!slab.isInUse(1) && slab.isInUse(0) && slab.count == 2)
        // Last freed, first used; pristine again.
        slab.give(0)
        check(slab.take() == 0)
        check(slab.take() == 1)
        check(unsafe slab[1].pointee == 7)
        check(!slab.isInUse(3) && !slab.isInUse(UInt32.max))
    }

    @Test
    func generationsChangeWhenFreed() {
        var slab = Slab(capacity: 2, pristine: UInt8(0))
        check(slab.generation(of: 0) == 0)
        let slot = slab.take() ?? 9
        check(slab.generation(of: slot) == 1)
        for round in 1...100 {
            slab.give(slot)
            check(slab.generation(of: slot) == UInt32(round + 1))
            check(slab.take() == slot)
            check(slab.generation(of: slot) == UInt32(round + 1))
        }
        check(slab.generation(of: 77) == 0)
    }

    @Test
    func pointersStay() {
        var slab = Slab(capacity: 10_000, pristine: UInt32(0))
        var addresses: [UInt] = []
        for number in 0..<10_000 {
            guard let slot = slab.take() else { return check(false) }
            unsafe slab[slot].pointee = UInt32(number)
            unsafe addresses.append(UInt(bitPattern: slab[slot]))
        }
        for number in 0..<10_000 {
            check(unsafe UInt(bitPattern: slab[UInt32(number)]) == addresses[number])
            check(unsafe slab[UInt32(number)].pointee == UInt32(number))
        }
    }

    @Test
    func agreesWithAModel() {
        var numbers = Numbers(1)
        var slab = Slab(capacity: 50, pristine: UInt64(0))
        var model: [UInt32: UInt64] = [:]
        var generations: [UInt32: UInt32] = [:]
        for step in 0..<20_000 {
            if numbers.below(2) == 0 {
                let slot = slab.take()
                check((slot == nil) == (model.count == 50))
                guard let slot else { continue }
                check(model[slot] == nil && slab.generation(of: slot) == generations[slot, default: 1])
                unsafe slab[slot].pointee = UInt64(step)
                model[slot] = UInt64(step)
            } else if let slot = model.keys.sorted().dropFirst(numbers.below(max(model.count, 1))).first {
                check(unsafe slab[slot].pointee == model[slot])
                slab.give(slot)
                model[slot] = nil
                generations[slot, default: 1] += 1
            }
            check(slab.count == model.count)
        }
        for slot in 0..<UInt32(60) { check(slab.isInUse(slot) == (model[slot] != nil)) }
    }

    @Test
    func freeingTwiceIsABug() async {
        await #expect(processExitsWith: .failure) {
            var slab = Slab(capacity: 2, pristine: UInt8(0))
            let slot = slab.take() ?? 0
            slab.give(slot)
            slab.give(slot)
        }
    }
}
