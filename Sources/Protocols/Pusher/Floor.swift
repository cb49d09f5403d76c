// The floor Protocols/Pusher.
