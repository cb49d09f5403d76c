// Kernel TLS on connections that have no descriptor: the options are set by operations of the ring (Linux 6.7).

import CPosix
import CUring
import ClarionBytes
import Glibc

extension Uring {
    public mutating func sealByKernel(_ handle: Handle, keys: UnsafeRawPointer, count: Int) -> Int32 {
        let entry = unsafe handles.open(handle)
        let file = self.file(of: handle)
        let protocolName = unsafe cposix_records_protocol_bytes()
        // Silent when it succeeds; of two failures the later one stays. Without the first step the second fails too.
        let result = settle { ring, name in
            unsafe curing_prep_option(
                ring.nextEntry(), file, Int32(CPOSIX_LEVEL_TCP), Int32(CPOSIX_TCP_ULP), protocolName,
                UInt32(CPOSIX_RECORDS_PROTOCOL_BYTES), name)
            unsafe curing_prep_option(
                ring.nextEntry(), file, Int32(CPOSIX_LEVEL_TLS), Int32(CPOSIX_TLS_TX), keys, UInt32(count), name)
        }
        if result != 0 { return result }
        unsafe entry.pointee.flags.insert(.sealedByKernel)
        hasSealedByKernel = true
        return 0
    }

    public mutating func sendRecord(
        _ handle: Handle, type: UInt8, bytes: UnsafePointer<UInt8>, count: Int
    ) -> Int32 {
        precondition(unsafe handles.open(handle).pointee.flags.contains(.sealedByKernel))
        let message = unsafe recordMessage.base
        let file = self.file(of: handle)
        unsafe cposix_records_compose(message, type, bytes, count)
        return settle { ring, name in
            unsafe curing_prep_message(ring.nextEntry(), file, cposix_records_head(message), name)
        }
    }

    /// Has operations that do not wait carried out, in the place of the send that comes next. What they told last; 0
    /// when they were silent.
    private mutating func settle(_ fill: (inout Uring, UInt64) -> Void) -> Int32 {
        // One place more than a batch has, so that a full one is no obstacle.
        let index = sendCount
        unsafe sendResults.base[index] = 0
        let (short, refused) = (counters.shortSends, counters.refusedSends)
        fill(&self, Token(uring: .send, slot: UInt32(index)).raw)
        carryOut()
        // They are no sends.
        counters.shortSends = short
        counters.refusedSends = refused
        return unsafe sendResults.base[index]
    }
}
