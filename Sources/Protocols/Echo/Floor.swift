// The floor Protocols/Echo.
