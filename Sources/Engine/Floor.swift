// The floor Engine.
