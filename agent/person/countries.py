"""Countries of travel documents (three letters, ICAO Doc 9303) and of notices (ISO 3166-1, two letters). Pure.

Codes of organisations and of people without a nationality have no two-letter form and give None: they agree with no
country and contradict none.
"""

from __future__ import annotations

from typing import Final

_ISO: Final = """
ABW AW AFG AF AGO AO AIA AI ALA AX ALB AL AND AD ARE AE ARG AR ARM AM ASM AS ATA AQ ATF TF ATG AG AUS AU AUT AT AZE AZ
BDI BI BEL BE BEN BJ BES BQ BFA BF BGD BD BGR BG BHR BH BHS BS BIH BA BLM BL BLR BY BLZ BZ BMU BM BOL BO BRA BR BRB BB
BRN BN BTN BT BVT BV BWA BW CAF CF CAN CA CCK CC CHE CH CHL CL CHN CN CIV CI CMR CM COD CD COG CG COK CK COL CO COM KM
CPV CV CRI CR CUB CU CUW CW CXR CX CYM KY CYP CY CZE CZ DEU DE DJI DJ DMA DM DNK DK DOM DO DZA DZ ECU EC EGY EG ERI ER
ESH EH ESP ES EST EE ETH ET FIN FI FJI FJ FLK FK FRA FR FRO FO FSM FM GAB GA GBR GB GEO GE GGY GG GHA GH GIB GI GIN GN
GLP GP GMB GM GNB GW GNQ GQ GRC GR GRD GD GRL GL GTM GT GUF GF GUM GU GUY GY HKG HK HMD HM HND HN HRV HR HTI HT HUN HU
IDN ID IMN IM IND IN IOT IO IRL IE IRN IR IRQ IQ ISL IS ISR IL ITA IT JAM JM JEY JE JOR JO JPN JP KAZ KZ KEN KE KGZ KG
KHM KH KIR KI KNA KN KOR KR KWT KW LAO LA LBN LB LBR LR LBY LY LCA LC LIE LI LKA LK LSO LS LTU LT LUX LU LVA LV MAC MO
MAF MF MAR MA MCO MC MDA MD MDG MG MDV MV MEX MX MHL MH MKD MK MLI ML MLT MT MMR MM MNE ME MNG MN MNP MP MOZ MZ MRT MR
MSR MS MTQ MQ MUS MU MWI MW MYS MY MYT YT NAM NA NCL NC NER NE NFK NF NGA NG NIC NI NIU NU NLD NL NOR NO NPL NP NRU NR
NZL NZ OMN OM PAK PK PAN PA PCN PN PER PE PHL PH PLW PW PNG PG POL PL PRI PR PRK KP PRT PT PRY PY PSE PS PYF PF QAT QA
REU RE ROU RO RUS RU RWA RW SAU SA SDN SD SEN SN SGP SG SGS GS SHN SH SJM SJ SLB SB SLE SL SLV SV SMR SM SOM SO SPM PM
SRB RS SSD SS STP ST SUR SR SVK SK SVN SI SWE SE SWZ SZ SXM SX SYC SC SYR SY TCA TC TCD TD TGO TG THA TH TJK TJ TKL TK
TKM TM TLS TL TON TO TTO TT TUN TN TUR TR TUV TV TWN TW TZA TZ UGA UG UKR UA UMI UM URY UY USA US UZB UZ VAT VA VCT VC
VEN VE VGB VG VIR VI VNM VN VUT VU WLF WF WSM WS YEM YE ZAF ZA ZMB ZM ZWE ZW
"""
_words = _ISO.split()
_TO_TWO: Final[dict[str, str]] = dict(zip(_words[::2], _words[1::2], strict=True))
_TO_THREE: Final[dict[str, str]] = {two: three for three, two in _TO_TWO.items()}

# What documents print beside the standard, and codes of countries that have changed theirs.
_OF_DOCUMENTS: Final[dict[str, str]] = {
    "D": "DE",
    "GBD": "GB",
    "GBN": "GB",
    "GBO": "GB",
    "GBP": "GB",
    "GBS": "GB",
    "RKS": "XK",
    "XXK": "XK",
    "XKX": "XK",
    "ROM": "RO",
    "ZAR": "CD",
    "TMP": "TL",
    "WBG": "PS",
}
# Nobody's country: organisations, refugees, the stateless.
_NO_COUNTRY: Final = "UNO UNA UNK EUE XPO XOM XXA XXB XXC XXX XBA XIM XCC XCE XCO XEC XES XMP XDC XCT UTO"
NO_COUNTRY: Final = frozenset(_NO_COUNTRY.split())


def alpha_2(code: str | None) -> str | None:
    """ISO 3166-1 alpha-2 of a document's country, given as printed (`D`, `D<<`, `GBR`) or already in two letters.

    None for organisations, for the stateless and for what is not known; Kosovo is XK, as notices have it.
    """
    letters = (code or "").strip("< ").upper()
    if letters in _TO_THREE or letters == "XK":
        return letters
    return _TO_TWO.get(letters) or _OF_DOCUMENTS.get(letters)


def alpha_3(code: str | None) -> str | None:
    """The three letters a document prints for a two-letter country (`DEU` for Germany too); None if not known."""
    letters = (code or "").strip("< ").upper()
    return "RKS" if letters == "XK" else _TO_THREE.get(letters)
