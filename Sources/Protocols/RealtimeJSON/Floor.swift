// The floor Protocols/RealtimeJSON.
