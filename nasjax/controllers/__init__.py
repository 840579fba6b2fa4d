"""Who proposes and learns; each has its own folder and README."""
