// The floor Server.
