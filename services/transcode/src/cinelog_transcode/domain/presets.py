"""The one scale of presets that users know, x264's, in each encoder's own words."""

X26X_PRESETS = {
    name: name
    for name in (
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    )
}
SVTAV1_PRESETS = dict(zip(X26X_PRESETS, ("12", "11", "10", "9", "8", "7", "5", "4", "3"), strict=True))
VPX_PRESETS = dict(zip(X26X_PRESETS, ("5", "5", "5", "4", "4", "3", "2", "1", "0"), strict=True))
NVENC_PRESETS = dict(zip(X26X_PRESETS, ("p1", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p7"), strict=True))
QSV_PRESETS = dict(
    zip(
        X26X_PRESETS,
        ("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"),
        strict=True,
    )
)
AMF_PRESETS = {
    name: "speed" if at < 4 else "balanced" if at < 6 else "quality" for at, name in enumerate(X26X_PRESETS)
}
VIDEOTOOLBOX_PRESETS = {name: "1" if at < 4 else "0" for at, name in enumerate(X26X_PRESETS)}
