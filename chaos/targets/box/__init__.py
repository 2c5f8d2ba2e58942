"""The embedded target's box: namespaces whose content the kernel removes when the box ends."""
