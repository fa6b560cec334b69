"""Arabic, Persian and Hebrew names by ear: with the vowels that their scripts leave out. Pure.

Documents of most States print such names as they sound, not letter by letter. Names that everybody bears are in a
table with their usual vowels; for the rest, letters that may be vowels are read as such, and consonants that would
stand together are parted by an A, which is right for half of them and one letter wrong for most others: near enough
for a candidate, whose other fields are then compared.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final


def _table(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


# --- Arabic and Persian ----------------------------------------------------------------------------------------

# Letters that are written in several ways and sound alike.
_ONE_ARABIC: Final = str.maketrans(_table("أ=ا إ=ا آ=ا ٱ=ا ى=ي ی=ي ې=ي ک=ك ة=ه ۀ=ه ہ=ه ھ=ه"))
_ARABIC_SIGNS: Final = re.compile("[\u0640\u064b-\u0652\u0670]")
_ARABIC_WORD: Final = re.compile(r"[\u0621-\u06d3\u0640-\u0652\u0670]+")
_ARABIC_NAMES: Final = _table(
    """
    محمد=MUHAMMAD احمد=AHMAD محمود=MAHMUD حامد=HAMID حميد=HAMID علي=ALI حسن=HASAN حسين=HUSAYN عمر=UMAR عمرو=AMR
    عثمان=UTHMAN ابراهيم=IBRAHIM اسماعيل=ISMAIL اسحاق=ISHAQ يعقوب=YAQUB يوسف=YUSUF موسى=MUSA موسي=MUSA عيسى=ISA
    عيسي=ISA هارون=HARUN سليمان=SULAYMAN داود=DAWUD داوود=DAWUD ايوب=AYYUB يونس=YUNUS زكريا=ZAKARIYA يحيى=YAHYA
    يحيي=YAHYA مريم=MARYAM فاطمه=FATIMA عائشه=AISHA عايشه=AISHA خديجه=KHADIJA زينب=ZAYNAB ليلى=LAYLA ليلي=LAYLA
    عبد=ABD عبدالله=ABDULLAH الله=ALLAH مصطفى=MUSTAFA مصطفي=MUSTAFA مرتضى=MURTADA مرتضي=MORTEZA مجتبي=MOJTABA
    خالد=KHALID وليد=WALID سعيد=SAID سعد=SAAD سعود=SAUD فيصل=FAYSAL فهد=FAHD بندر=BANDAR سلطان=SULTAN طارق=TARIQ
    زياد=ZIYAD رياض=RIYAD كمال=KAMAL جمال=JAMAL جلال=JALAL طلال=TALAL بلال=BILAL هلال=HILAL كريم=KARIM رحيم=RAHIM
    رحمن=RAHMAN رشيد=RASHID راشد=RASHID ماجد=MAJID مجيد=MAJID واحد=WAHID وحيد=WAHID فريد=FARID نبيل=NABIL جميل=JAMIL
    خليل=KHALIL اكرم=AKRAM اشرف=ASHRAF انور=ANWAR اسعد=ASAAD امجد=AMJAD ايمن=AYMAN اياد=IYAD عماد=IMAD عادل=ADIL
    عامر=AMIR امير=AMIR امين=AMIN نصر=NASR ناصر=NASIR نصير=NASIR منصور=MANSUR مسعود=MASUD صلاح=SALAH صالح=SALIH
    صادق=SADIQ صدام=SADDAM حسام=HUSAM هشام=HISHAM هيثم=HAYTHAM قاسم=QASIM باسم=BASIM بشار=BASHSHAR بشير=BASHIR
    مالك=MALIK ملك=MALIK مهدي=MAHDI هادي=HADI رضا=RIDA جعفر=JAFAR باقر=BAQIR حيدر=HAYDAR عباس=ABBAS زهراء=ZAHRA
    زهرا=ZAHRA نور=NUR شمس=SHAMS بدر=BADR قمر=QAMAR سيف=SAYF اسد=ASAD فارس=FARIS غازي=GHAZI مجاهد=MUJAHID
    معمر=MUAMMAR حمزه=HAMZA طه=TAHA معاويه=MUAWIYA اسامه=USAMA ايمان=IMAN سلمان=SALMAN سالم=SALIM سليم=SALIM
    مسلم=MUSLIM مبارك=MUBARAK جابر=JABIR صبري=SABRI شكري=SHUKRI فتحي=FATHI لطفي=LUTFI حلمي=HILMI بن=BIN ابن=IBN
    بنت=BINT ابو=ABU ابي=ABI ام=UMM دين=DIN شيخ=SHAYKH رسول=RASUL غلام=GHULAM اكبر=AKBAR اصغر=ASGHAR بهرام=BAHRAM
    رستم=RUSTAM خسرو=KHUSRAW داريوش=DARYUSH كوروش=KURUSH شيرين=SHIRIN پرويز=PARVIZ مهران=MEHRAN سهراب=SOHRAB
    فرهاد=FARHAD بهزاد=BEHZAD محسن=MUHSIN معصومه=MASUMA سكينه=SAKINA رقيه=RUQAYYA
    """
)
_ARABIC_SOUNDS: Final = _table(
    """
    ب=B ت=T ث=TH ج=J ح=H خ=KH د=D ذ=DH ر=R ز=Z س=S ش=SH ص=S ض=D ط=T ظ=Z غ=GH ف=F ق=Q ك=K ل=L م=M ن=N ه=H پ=P چ=CH
    ژ=ZH گ=G ټ=T ٹ=T ډ=D ڈ=D ړ=R ڑ=R ږ=Z ښ=SH ګ=G ں=N ڼ=N څ=TS ځ=DZ
    """
)

# --- Hebrew ----------------------------------------------------------------------------------------------------

_HEBREW_WORD: Final = re.compile(r"[א-ת\u05b0-\u05c7׳'״]+")
_HEBREW_SIGNS: Final = re.compile("[\u05b0-\u05c7״]")
_HEBREW_NAMES: Final = _table(
    """
    דוד=DAVID דויד=DAVID משה=MOSHE אברהם=AVRAHAM יצחק=YITZHAK יעקב=YAAKOV יוסף=YOSEF בנימין=BINYAMIN שמעון=SHIMON
    ראובן=REUVEN לוי=LEVI יהודה=YEHUDA דן=DAN גד=GAD אשר=ASHER נפתלי=NAFTALI אהרן=AHARON אהרון=AHARON שלמה=SHLOMO
    שמואל=SHMUEL שאול=SHAUL יהונתן=YEHONATAN יונתן=YONATAN נתן=NATAN דניאל=DANIEL מיכאל=MICHAEL גבריאל=GAVRIEL
    רפאל=REFAEL אוריאל=URIEL אריאל=ARIEL ישראל=YISRAEL ישעיהו=YESHAYAHU ירמיהו=YIRMIYAHU יחזקאל=YEHEZKEL אליהו=ELIYAHU
    אלישע=ELISHA עמוס=AMOS עזרא=EZRA נחמיה=NEHEMIA חיים=HAIM מנחם=MENACHEM מרדכי=MORDECHAI אסתר=ESTER שרה=SARA
    רבקה=RIVKA רחל=RACHEL לאה=LEA דבורה=DVORA חנה=HANA מרים=MIRIAM רות=RUT נעמי=NAOMI תמר=TAMAR יעל=YAEL מיכל=MICHAL
    אבי=AVI אבנר=AVNER אבשלום=AVSHALOM אהוד=EHUD אורי=URI איתן=EITAN אלי=ELI אליעזר=ELIEZER אלעזר=ELAZAR אמיר=AMIR
    אפרים=EFRAIM ארי=ARI אריה=ARIE ברוך=BARUCH בצלאל=BETZALEL גדעון=GIDEON גיא=GUY גיל=GIL דב=DOV זאב=ZEEV זלמן=ZALMAN
    חזקיהו=HIZKIYAHU טל=TAL יאיר=YAIR יגאל=YIGAL יהושע=YEHOSHUA יואב=YOAV יואל=YOEL יורם=YORAM ירון=YARON לב=LEV
    מאיר=MEIR מתן=MATAN מתתיהו=MATITYAHU נדב=NADAV נועם=NOAM נח=NOAH ניר=NIR עוז=OZ עודד=ODED עידו=IDO עמית=AMIT
    עמרם=AMRAM עפר=OFER פנחס=PINCHAS פינחס=PINCHAS צבי=ZVI רון=RON רועי=ROI רם=RAM שי=SHAI שלום=SHALOM שרון=SHARON
    תומר=TOMER כהן=COHEN קליין=KLEIN גולדברג=GOLDBERG גולדשטיין=GOLDSTEIN רוזנברג=ROSENBERG פרידמן=FRIEDMAN כץ=KATZ
    שפירא=SHAPIRA ויס=WEISS וייס=WEISS שוורץ=SCHWARTZ גרוס=GROSS ברק=BARAK בר=BAR בן=BEN פרץ=PERETZ ביטון=BITON
    אזולאי=AZOULAY דיין=DAYAN מזרחי=MIZRAHI אוחיון=OHAYON חדד=HADAD עמר=AMAR גבאי=GABAY
    """
)
_HEBREW_SOUNDS: Final = _table(
    """
    ב=V ג=G ד=D ז=Z ח=H ט=T כ=KH ך=KH ל=L ם=M מ=M ן=N נ=N ס=S ף=F פ=F ץ=TZ צ=TZ ק=K ר=R ש=SH ת=T
    """
)
_HARD_AT_START: Final = {"ב": "B", "כ": "K", "פ": "P"}
_GERESH: Final = {"ג": "J", "ז": "ZH", "צ": "CH", "ץ": "CH"}


def by_ear(text: str) -> str:
    """The text with its Arabic and Hebrew words as they sound, in capitals; the rest of it stays."""
    composed = unicodedata.normalize("NFC", text)
    heard = _ARABIC_WORD.sub(lambda word: f" {_arabic(word.group())} ", composed)
    return _HEBREW_WORD.sub(lambda word: f" {_hebrew(word.group())} ", heard)


def _arabic(word: str) -> str:
    plain = _ARABIC_SIGNS.sub("", word).translate(_ONE_ARABIC)
    if plain in _ARABIC_NAMES:
        return _ARABIC_NAMES[plain]
    if plain.startswith("ال") and len(plain) > 3:
        return f"AL {_arabic(plain[2:])}"
    for servant in ("عبدال", "عبد ال"):
        if plain.startswith(servant) and len(plain) > len(servant):
            return f"ABDUL {_arabic(plain[len(servant) :])}"
    return _spoken(_arabic_sounds(plain))


def _arabic_sounds(plain: str) -> list[str]:
    """Consonants as capitals, vowels among them; a letter that may be either is a vowel where it cannot be spoken."""
    vowels = {"و": ("W", "U"), "ي": ("Y", "I")}
    sounds: list[str] = []
    for place, letter in enumerate(plain):
        if letter in "اع":
            sounds.append("A")
        elif letter in vowels:
            before = bool(sounds) and not _is_vowel(sounds[-1])
            after = plain[place + 1 : place + 2] not in ("ا", "و", "ي")
            sounds.append(vowels[letter][before and after])
        elif letter == "ه" and place == len(plain) - 1 and sounds and not _is_vowel(sounds[-1]):
            sounds.append("A")
        else:
            sounds.append(_ARABIC_SOUNDS.get(letter, ""))
    return [sound for sound in sounds if sound]


def _hebrew(word: str) -> str:
    plain = _HEBREW_SIGNS.sub("", word)
    return _HEBREW_NAMES.get(plain.strip("׳'")) or _spoken(_hebrew_sounds(plain))


def _hebrew_sounds(plain: str) -> list[str]:
    sounds: list[str] = []
    for place, letter in enumerate(plain):
        following = plain[place + 1 : place + 2]
        if letter in "׳'":
            continue
        if following in ("׳", "'") and letter in _GERESH:
            sounds.append(_GERESH[letter])
        elif letter in _HARD_AT_START and place == 0:
            sounds.append(_HARD_AT_START[letter])
        elif letter in "אע":
            sounds.append("A")
        elif letter == "ה":
            sounds.append("A" if place == len(plain) - 1 else "H")
        elif letter == "ו":
            sounds.append("V" if place == 0 or following == "ו" else "" if plain[place - 1] == "ו" else "O")
        elif letter == "י":
            sounds.append("Y" if place == 0 else "I")
        else:
            sounds.append(_HEBREW_SOUNDS.get(letter, ""))
    return [sound for sound in sounds if sound]


def _is_vowel(sound: str) -> bool:
    return sound in ("A", "I", "O", "U")


def _spoken(sounds: list[str]) -> str:
    """Sounds with an A wherever a tongue needs one: behind the first of a word, and where three would meet."""
    spoken: list[str] = []
    run: list[str] = []
    for sound in [*sounds, ""]:
        if sound and not _is_vowel(sound):
            run.append(sound)
            continue
        spoken += _parted(run, starts=not spoken, ends=not sound)
        run = []
        if sound and spoken[-1:] != [sound]:
            spoken.append(sound)
    return "".join(spoken)


def _parted(run: list[str], *, starts: bool, ends: bool) -> list[str]:
    """A run of consonants with the vowels between them; before a vowel two may stand, at the end one."""
    parted: list[str] = []
    left = list(run)
    if starts and len(left) > 1:
        parted += [left.pop(0), "A"]
    while len(left) > (1 if ends else 2):
        take = 1 if len(left) == 2 else 2
        parted += [*left[:take], "A"]
        del left[:take]
    return parted + left
