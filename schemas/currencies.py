"""Which currencies an event may carry: ISO 4217 codes and how many digits their minor unit has.

The table is list one of ISO 4217 as of 2026-02 (codes without a minor unit, such as gold, left out), and the codes
withdrawn since 2010, so that old sales can be replayed. A code never changes its meaning, so the table only grows.
"""

from collections.abc import Mapping
from types import MappingProxyType

_TWO_DIGITS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
    COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR
    MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
    STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS = "CLF UYW"
_WITHDRAWN_TWO_DIGITS = "ANG BGN CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL"
_WITHDRAWN_NO_DIGITS = "BYR"

MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {
        code: digits
        for codes, digits in (
            (_TWO_DIGITS, 2),
            (_NO_DIGITS, 0),
            (_THREE_DIGITS, 3),
            (_FOUR_DIGITS, 4),
            (_WITHDRAWN_TWO_DIGITS, 2),
            (_WITHDRAWN_NO_DIGITS, 0),
        )
        for code in codes.split()
    },
)
"""Currency code -> decimal digits of its minor unit: USD 2 (cents), JPY 0, KWD 3."""
