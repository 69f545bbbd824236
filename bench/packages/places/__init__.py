"""Places to install a wheel into: fresh environments here, and other systems that run here."""
