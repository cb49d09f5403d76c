// The floor Wire.
