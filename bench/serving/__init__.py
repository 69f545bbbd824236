"""Time whole services that embed: ours beside the peers that users would pick."""
