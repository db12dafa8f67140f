"""Segments that are known without a dictionary file: customer master (DEBMAS06), audit confirmations
(ALEAUD01). The tail of E1STATE behind offset 176 differs between releases and is left out.
"""

from __future__ import annotations

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.layout import layout_of

_SEGMENTS = (
    layout_of(
        "E1KNA1M",
        """MSGFN:3 KUNNR:10 ANRED:15 AUFSD:2 BAHNE:25 BAHNS:25 BBBNR:7 BBSNR:5 BEGRU:4 BRSCH:4 BUBKZ:1
        DATLT:14 FAKSD:2 FISKN:10 KNRZA:10 KONZS:10 KTOKD:4 KUKLA:2 LAND1:3 LIFNR:10 LIFSD:2 LOCCO:10
        LOEVM:1 NAME1:35 NAME2:35 NAME3:35 NAME4:35 NIELS:2 ORT01:35 ORT02:35 PFACH:10 PSTL2:10 PSTLZ:10
        REGIO:3 COUNC:3 CITYC:4 RPMKR:5 SORTL:10 SPERR:1 SPRAS:1 STCD1:16 STCD2:11 STKZA:1 STKZU:1
        STRAS:35 TELBX:15 TELF1:16 TELF2:16 TELFX:31 TELTX:30 TELX1:30 LZONE:10 XZEMP:1 VBUND:6 STCEG:20
        GFORM:2 BRAN1:10 BRAN2:10 BRAN3:10 BRAN4:10 BRAN5:10 UMJAH:4 UWAER:5 JMZAH:6 JMJAH:4 KATR1:2
        KATR2:2 KATR3:2 KATR4:2 KATR5:2 KATR6:3 KATR7:3 KATR8:3 KATR9:3 KATR10:3 STKZN:1 UMSA1:16
        TXJCD:15 PERIV:2 KTOCD:4 PFORT:35 DTAMS:1 DTAWS:2 HZUOR:2 CIVVE:1 MILVE:1 SPRAS_ISO:2 FITYP:2
        STCDT:2 STCD3:18 STCD4:18 XICMS:1 XXIPI:1 XSUBT:1 CFOPC:2 TXLW1:3 TXLW2:3 CCC01:1 CCC02:1
        CCC03:1 CCC04:1 CASSD:2 KDKG1:2 KDKG2:2 KDKG3:2 KDKG4:2 KDKG5:2 NODEL:1 XSUB2:3 WERKS:4""",
        definition="E2KNA1M005",
        level=1,
        keys=("KUNNR",),
    ),
    layout_of(
        "E1KNVVM",
        """MSGFN:3 VKORG:4 VTWEG:2 SPART:2 BEGRU:4 LOEVM:1 VERSG:1 AUFSD:2 KALKS:1 KDGRP:2 BZIRK:6
        KONDA:2 PLTYP:2 AWAHR:3 INCO1:3 INCO2:28 LIFSD:2 AUTLF:1 ANTLF:2 KZTLF:1 KZAZU:1 CHSPL:1 LPRIO:2
        EIKTO:12 VSBED:2 FAKSD:2 MRNKZ:1 PERFK:2 PERRL:2 WAERS:5 KTGRD:2 ZTERM:4 VWERK:4 VKGRP:3 VKBUR:4
        VSORT:10 KVGR1:3 KVGR2:3 KVGR3:3 KVGR4:3 KVGR5:3 BOKRE:1 KURST:4 PRFRE:1 KLABC:2 KABSS:4 KKBER:4
        CASSD:2 RDOFF:1 AGREL:1 MEGRU:4 UEBTO:4 UNTTO:4 UEBTK:1 PVKSM:2 PODKZ:1 PODTG:11 BLIND:1
        CARRIER_NOTIF:1 CVP_XBLCK_V:1 INCOV:4 INCO2_L:70 INCO3_L:70""",
        definition="E2KNVVM007",
        parents=("E1KNA1M",),
        level=2,
        keys=("VKORG", "VTWEG", "SPART"),
    ),
    layout_of(
        "E1KNVPM",
        "MSGFN:3 PARVW:2 KUNN2:10 DEFPA:1 KNREF:30 PARZA:3",
        parents=("E1KNVVM",),
        level=3,
        keys=("PARVW", "PARZA"),
    ),
    layout_of(
        "E1KNVIM",
        "MSGFN:3 ALAND:3 TATYP:4 TAXKD:1",
        definition="E2KNVIM",
        parents=("E1KNVVM",),
        level=3,
        keys=("ALAND", "TATYP"),
    ),
    layout_of(
        "E1KNB1M",
        """MSGFN:3 BUKRS:6 SPERR:1 LOEVM:1 ZUAWA:3 BUSAB:2 AKONT:10 BEGRU:4 KNRZE:10 KNRZB:10 ZAMIM:1
        ZAMIV:1 ZAMIR:1 ZAMIB:1 ZAMIO:1 ZWELS:10 XVERR:1 ZAHLS:1 ZTERM:4 WAKON:4 VZSKZ:2 ZINDT:8 ZINRT:2
        EIKTO:12 ZSABE:15 KVERM:30 FDGRV:10 VRBKZ:2 VLIBB:14 VRSZL:4 VRSPR:4 VRSNR:10 VERDT:8 PERKZ:1
        XDEZV:1 XAUSZ:1 WEBTR:14 REMIT:10 DATLZ:8 XZVER:1 TOGRU:4 KULTG:4 HBKID:5 XPORE:1 BLNKZ:2
        ALTKN:10 ZGRUP:2 URLID:4 MGRUP:2 LOCKB:7 UZAWE:2 EKVBD:10 SREGL:3 XEDIP:1 FRGRP:4 VRSDG:3
        TLFXS:31 PERNR:8 INTAD:130 GUZTE:4 GRICD:2 GRIDT:2 WBRSL:2 NODEL:1 TLFNS:30 CESSION_KZ:2
        GMVKZD:1 AVSND:1 SMTP_ADDR:241 CVP_XBLCK_B:1""",
        definition="E2KNB1M006",
        parents=("E1KNA1M",),
        level=2,
        keys=("BUKRS",),
    ),
    layout_of("E1ADHDR", "MESTYP:6 MESCOD:3 MESFCT:3 MESTYP_LNG:30", definition="E2ADHDR001", level=1),
    layout_of(
        "E1STATE",
        "DOCNUM:16 STATUS:2 STACOD:8 STATXT:70 STAPA1:20 STAPA2:20 STAPA3:20 STAPA4:20 …",
        definition="E2STATE002",
        parents=("E1ADHDR",),
        level=2,
    ),
    layout_of(
        "E1PRTOB",
        "DOCNUM:16 LOGSYS:10 OBJTYPE:10 OBJKEY:70",
        definition="E2PRTOB",
        parents=("E1STATE",),
        level=3,
    ),
)


def standard_dictionary() -> Dictionary:
    """The segments that are known without a dictionary file; a new object, so that more can be added."""
    return Dictionary(_SEGMENTS)
