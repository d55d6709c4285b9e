"""Languages in two spellings: MP4 has three letters (ISO 639-2/T), playlists and pages RFC 5646 tags."""

import re
from typing import Final

_PAIRS: Final = """
    aa:aar ab:abk af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel
    bg:bul bi:bis bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cs:ces cv:chv
    cy:cym da:dan de:deu dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas
    ff:ful fi:fin fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau
    he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye hz:her ia:ina id:ind ie:ile ig:ibo ii:iii
    ik:ipk io:ido is:isl it:ita iu:iku iw:heb ja:jpn jv:jav ka:kat kg:kon ki:kik kj:kua kk:kaz
    kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug
    li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal mn:mon mr:mar
    ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno no:nor nr:nbl nv:nav
    ny:nya oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh
    rn:run ro:ron ru:rus rw:kin sa:san sc:srd sd:snd se:sme sg:sag si:sin sk:slk sl:slv sm:smo
    sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha
    ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd
    uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor za:zha zh:zho zu:zul
"""
_LONG: Final = dict(pair.split(":") for pair in _PAIRS.split())
_BIBLIOGRAPHIC: Final = """
    alb:sqi arm:hye baq:eus bur:mya chi:zho cze:ces dut:nld fre:fra geo:kat ger:deu gre:ell ice:isl
    mac:mkd mao:mri may:msa per:fas rum:ron slo:slk tib:bod wel:cym
"""
_TERMINOLOGIC: Final = dict(pair.split(":") for pair in _BIBLIOGRAPHIC.split())
"""ISO 639-2 has two codes for these: Matroska uses the first, MP4 the second."""

_SHORT: Final = {long: short for short, long in reversed(_LONG.items())}
"""Of two codes for one language the first is the one in use: he, not iw."""
_TAG: Final = re.compile(
    r"[a-z]{2,3}(-[a-z]{3}){0,3}"  # the language, and its extensions
    r"(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # script, region, variants
    r"(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)
"""RFC 5646, 2.1, without what is registered as a whole (`i-klingon`) or private from its beginning."""


def three_letters(tag: str) -> str:
    """Return the language of a tag such as `de`, `de-AT` or `deu`; `und` if it is none that is known."""
    primary = tag.strip().lower().replace("_", "-").partition("-")[0]
    if len(primary) == 3 and primary.isascii() and primary.isalpha():
        return _TERMINOLOGIC.get(primary, primary)
    return _LONG.get(primary, "und")


def language_tag(said: str) -> str:
    """Return the RFC 5646 tag of a language such as `eng`, `fre` or `por-BR`; empty if it is none.

    A language with two letters is never called by three (2.2.1); MP4 and Matroska know only three.
    """
    primary, hyphen, rest = said.strip().replace("_", "-").partition("-")
    tag = _shortest(primary.lower()) + hyphen + rest
    return tag if is_tag(tag) else ""


def is_tag(text: str) -> bool:
    """Whether `text` is a tag of RFC 5646 that names a language, with the shortest code that there is."""
    primary = text.partition("-")[0].lower()
    return _TAG.fullmatch(text) is not None and primary == _shortest(primary)


def _shortest(primary: str) -> str:
    """Return the code to use for one of two or three letters; empty for `und` and what is no code."""
    if len(primary) == 2:
        return _SHORT.get(_LONG.get(primary, ""), "")
    long = _TERMINOLOGIC.get(primary, primary)
    return _SHORT.get(long, long) if long != "und" else ""
