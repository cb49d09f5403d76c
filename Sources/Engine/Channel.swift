import ClarionBytes

/// A subscriber in its channel's list: the connection and how far it has read.
struct Subscriber: BitwiseCopyable {
    var connection: UInt32
    var subscription: UInt32
    /// Position in the channel's log: everything before it was sent, or counted as lost. Always between two frames.
    var cursor: UInt64
}

/// Whether the home knows that this worker wants the channel.
enum ChannelPhase: UInt8, BitwiseCopyable {
    /// Asked; deliveries of an earlier membership may still be on the way and are dropped.
    case joining
    /// Every message that the home orders from now on comes here.
    case joined
}

/// A channel with subscribers on this worker.
///
/// The list of subscribers is walked in circles, a slice at a time (`sweep`): each visit sends everything between the
/// subscriber's cursor and the head, so the busier the channel, the more messages ride on one send, and a message that
/// comes to an idle channel leaves at once.
@safe struct Channel: BitwiseCopyable {
    static let none = UInt32.max

    var log = ChannelLog()
    /// A frame without payload that holds the name; one reference.
    var name: SharedFrame
    /// Points to `subscriberCapacity` subscribers, the first `subscriberCount` valid; owned by this channel (malloc).
    var subscribers: UnsafeMutablePointer<Subscriber>?
    var subscriberCount: UInt32 = 0
    var subscriberCapacity: UInt32 = 0
    /// Subscriptions that the home has not answered yet; they are in no list and nothing is delivered to them.
    var waitingCount: UInt32 = 0

    /// The next subscriber to visit, and how many visits are left until all have seen the head as it is.
    var sweepPosition: UInt32 = 0
    var sweepRemaining: UInt32 = 0
    /// Visits since the checkpoint; when all were visited once, whoever could take bytes has read up to `checkpoint`.
    var visitsSinceCheckpoint: UInt32 = 0
    var checkpoint: UInt64 = 0
    /// Every subscriber that is not blocked has read up to here.
    var floor: UInt64 = 0

    var home: UInt8
    var phase: ChannelPhase
    var isSweeping = false
    /// Somebody was passed over in this circle: the log may still be needed at its end.
    var passedOver = false
    /// In the list of channels whose log waits for blocked readers.
    var isLagging = false
    /// The head is far beyond the floor: nothing new is let in until readers that can take more have it.
    var isPressing = false
    /// Subscribers of this worker, waiting ones included, that the home has been told of.
    var announced: UInt32 = 0

    // Slots of one channel (Core+Windows.swift): the primary one, whose readers get frames as they are published, and
    // one for each window that somebody reads compressed with. Only the primary is known by name, to the home too.
    var primary: UInt32 = none
    var nextWindow: UInt32 = none
    /// The class of the window (`DeflateWindow`); 0 in the primary slot.
    var window: UInt8 = 0
    var deflateMode = DeflateMode.dedicated
    /// Messages that wait to be compressed, and the stamp of the first of them.
    var jobCount: UInt32 = 0
    var jobStamp = UInt64.max

    var hash: UInt64 { name.hash }
    /// Of a primary slot: nobody of this worker gets what is published.
    var isUnread: Bool { subscriberCount == 0 && nextWindow == Channel.none }
}

/// A worker that has subscribers of a channel, as the channel's home knows it.
struct InterestedWorker: BitwiseCopyable {
    var worker: UInt32
    /// The worker's own slot and generation of the channel.
    var slot: UInt32
    var generation: UInt32
    var subscriberCount: UInt32
}

/// A channel at its home: who wants it, and the number of its last message.
@safe struct HomeChannel: BitwiseCopyable {
    var name: SharedFrame
    /// Points to `interestedCapacity` entries, the first `interestedCount` valid; owned (malloc).
    var interested: UnsafeMutablePointer<InterestedWorker>?
    var interestedCount: UInt32 = 0
    var interestedCapacity: UInt32 = 0
    /// Offset of the last message; the first has 1.
    var offset: UInt64 = 0
    /// Of all workers.
    var subscriptionCount: UInt32 = 0
    /// Its subscribers are to be told how many they are; when they were told last.
    var isCountDue = false
    var countTick: UInt32 = 0
}
