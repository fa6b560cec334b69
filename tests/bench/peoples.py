"""Real-looking populations for measuring: names as countries bear them, with tails as heavy as theirs.

Each people has given names, family names, and a way to make rarer family names; the commonest are borne by hundreds,
most by one. Nobody here exists: names are drawn and put together by chance. What a listed person's papers may look
like is made by rules of clerks, keyboards and offices, written apart from the matcher's own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate


@dataclass(frozen=True)
class People:
    """How one people is named.

    Attributes:
        nationality: two letters.
        share: of all travellers.
        male, female: given names, the commonest first.
        family: family names, the commonest first.
        stems, endings: what rarer family names are put together of.
        shape: what a full name consists of.
    """

    nationality: str
    share: float
    male: tuple[str, ...]
    female: tuple[str, ...]
    family: tuple[str, ...]
    stems: tuple[str, ...]
    endings: tuple[str, ...]
    shape: str = "plain"


def _people(
    nationality: str, share: float, male: str, female: str, family: str, made: str, shape: str = "plain"
) -> People:
    stems, endings = made.split("|")
    return People(
        nationality,
        share,
        *(tuple(names.split()) for names in (male, female, family, stems)),
        tuple(ending.strip("-") for ending in endings.split()),
        shape,
    )


PEOPLES = (
    _people(
        "RU",
        12,
        "Aleksandr Sergei Vladimir Andrei Aleksei Dmitrii Nikolai Ivan Mikhail Evgenii Viktor Igor Oleg Pavel Roman "
        "Denis Maksim Iurii Anton Konstantin Valerii Vitalii Boris Stanislav Ruslan Artem Grigorii Petr Fedor Gleb",
        "Elena Olga Natalia Irina Tatiana Svetlana Anna Maria Ekaterina Marina Galina Liudmila Iulia Anastasiia Vera "
        "Larisa Nina Oksana Daria Kseniia Polina Sofia Valentina Zoia",
        "Ivanov Smirnov Kuznetsov Popov Vasilev Petrov Sokolov Mikhailov Novikov Fedorov Morozov Volkov Alekseev "
        "Lebedev Semenov Egorov Pavlov Kozlov Stepanov Nikolaev Orlov Andreev Makarov Nikitin Zakharov Zaitsev",
        "Bel Chern Krasn Zelen Sukh Golub Shir Tolst Lukash Dorosh Vinograd Kupr Molod Glush Berez Kolos Teter Zhur "
        "Pogod Ryzh Sobol Tarak Ushak Khlop Chist Shest Shchegl Iarosh Gavril Demid Kliment Nazar Prokop Spirid Trof | "
        "ov ev in skii enkov ikhin anov ushkin ovskii iaev kin",
        "patronymic",
    ),
    _people(
        "UA",
        5,
        "Oleksandr Serhii Volodymyr Andrii Mykola Vasyl Ivan Yurii Ihor Oleh Petro Mykhailo Viktor Dmytro Bohdan "
        "Taras Roman Yaroslav Maksym Vitalii Anatolii Pavlo Denys Artem",
        "Olena Natalia Oksana Iryna Tetiana Svitlana Liudmyla Mariia Halyna Nadiia Yuliia Viktoriia Kateryna Anna",
        "Melnyk Shevchenko Boiko Kovalenko Bondarenko Tkachenko Kravchenko Kovalchuk Koval Oliinyk Shevchuk Polishchuk",
        "Lys Hor Mar Dan Sav Pan Rom Tym Khom Var Zah Sem Step Kyr Pro Onys Yur Mosk Ost Hav Leb Zhuk Hrytsk Vovk | "
        "enko chuk uk ych ets yshyn ivskyi ash iuk an",
    ),
    _people(
        "SA",
        9,
        "Mohammed Ahmed Ali Abdullah Khalid Omar Hassan Ibrahim Saad Fahad Yousef Sultan Faisal Nasser Saleh Mansour "
        "Turki Bandar Majed Saud Abdulaziz Abdulrahman Hussein Mahmoud Mustafa Hamza Bilal Tariq Walid Samir Jamal",
        "Fatimah Nora Maha Sara Reem Huda Aisha Maryam Amal Layla Noura Hanan Zainab Salma Khadija Rania Dalal Lama",
        "Al-Ghamdi Al-Harbi Al-Qahtani Al-Zahrani Al-Shehri Al-Otaibi Al-Dosari Al-Mutairi Al-Shammari Al-Anazi "
        "Al-Maliki Al-Asmari Al-Juhani Al-Subaie Hassan Ahmad Ibrahim Khalil Mansour Haddad Khoury Najjar",
        "Al-Bark Al-Saf Al-Rum Al-Kab Al-Nam Al-Hub Al-Jab Al-Sam Al-Bad Al-Raf Al-Was Al-Tam Al-Ham Al-Kur "
        "Al-Day Al-Maz "
        "| ani awi i iri aihi ouni amsi adi ubi ahri aidi attar",
        "arabic",
    ),
    _people(
        "EG",
        6,
        "Mohamed Ahmed Mahmoud Mostafa Ibrahim Hassan Hussein Khaled Ali Youssef Omar Karim Tarek Ashraf Hany Sherif "
        "Gamal Amr Hesham Sayed Abdelrahman Ramadan Adel Samir",
        "Fatma Mona Nadia Heba Dina Rania Samira Amal Hanan Noha Yasmine Salma Mariam Aya Doaa",
        "Mohamed Ahmed Ali Hassan Mahmoud Ibrahim Abdelaziz Salem Fathy Saleh Soliman Mansour Farag Gaber Shaheen",
        "Badr Sham Zak Kher Ghon Mak Sid Far Had Nag Tah Ragh Dessou El-Sa El-Ba El-Ma El-Gha Abou-Ze Abou-El-Fa | "
        "awy y eim aty oun ib ily ani adly",
        "arabic",
    ),
    _people(
        "IR",
        4,
        "Mohammad Ali Hossein Reza Mehdi Hassan Amir Hamid Saeed Majid Behnam Farhad Kamran Babak Dariush Ramin Siamak",
        "Fatemeh Zahra Maryam Leila Narges Mina Parisa Shirin Azadeh Nasrin Samira Elham Mahsa",
        "Mohammadi Hosseini Ahmadi Karimi Rezaei Moradi Jafari Rahimi Hashemi Ebrahimi Akbari Sadeghi Mousavi Ghasemi",
        "Shah Nouri Far Kesh Del Zam Pour Mehr Bah Taj Gol Sab Kha Raz Sohr Tabr Esf Kash Lor Gil | "
        "zadeh nejad pour ian abadi khani vand mand fard i ouri",
    ),
    _people(
        "PK",
        6,
        "Muhammad Ahmed Ali Imran Asif Bilal Usman Tariq Nadeem Shahid Kamran Faisal Rashid Saleem Naveed Zahid Irfan "
        "Waqas Adnan Hamza Farhan Junaid Khalid Amjad Abdul",
        "Ayesha Fatima Sana Maria Nadia Saima Rabia Zainab Hina Shazia Bushra Samina",
        "Khan Ahmed Ali Hussain Malik Shah Iqbal Butt Chaudhry Mahmood Aslam Akhtar Qureshi Siddiqui Raza Sheikh Mirza",
        "Bad Gul Zard Chand Jan Nar Kak Mal Sher Bakht Dost Fazal Inay Riz Sad Taj | "
        "khel zai uddin ullah wani ani war ri uzzaman",
    ),
    _people(
        "CN",
        9,
        "Wei Jun Lei Qiang Yong Jie Ming Gang Ping Hui Bin Feng Tao Chao Peng Hao Jianguo Jianjun Zhiqiang Guoqiang "
        "Xiaoming Wenbin Haoran Zihan Yuxuan Zhenhua Shaohua",
        "Fang Na Min Jing Li Yan Xia Juan Xiuying Lihua Xiaohong Meiling Yuhan Xinyi Ruoxi Guiying Shufen Hongmei",
        "Wang Li Zhang Liu Chen Yang Zhao Huang Zhou Wu Xu Sun Hu Zhu Gao Lin He Guo Ma Luo Liang Song Zheng Xie Han "
        "Tang Feng Yu Dong Xiao Cheng Cao Yuan Deng Xu Fu Shen Zeng Peng Lu",
        "Su Jiang Cai Jia Ding Wei Xue Ye Yan Pan Du Dai Xia Zhong Tian Ren Fan Fang Shi Yao Tan Liao Zou "
        "Xiong Jin Kang "
        "Hao Kong Bai Cui Qiu Qin Gu Hou Shao Meng Long Wan Duan Qian | -",
        "chinese",
    ),
    _people(
        "KR",
        3,
        "Minjun Seojun Jihoon Sungmin Youngho Jaehyun Dongwoo Junho Sangwoo Kyungsoo Taeyang Hyunwoo Wonbin Inho",
        "Jiwoo Seoyeon Minji Sujin Eunji Hyejin Yuna Soyoung Jihye Mikyung Nayeon",
        "Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn Song Ryu Hong",
        "Bae Baek Heo Yoo Nam Sim Noh Ha Joo Koo Min Jin Cha Woo Ma Pyo Ki | -",
        "chinese",
    ),
    _people(
        "TR",
        5,
        "Mehmet Mustafa Ahmet Ali Huseyin Hasan Ibrahim Ismail Osman Yusuf Murat Omer Ramazan Halil Emre Burak Kerem "
        "Cem Serkan Volkan",
        "Fatma Ayse Emine Hatice Zeynep Elif Meryem Sultan Selin Esra Merve Busra Derya",
        "Yilmaz Kaya Demir Sahin Celik Yildiz Yildirim Ozturk Aydin Ozdemir Arslan Dogan Kilic Aslan Cetin Kara Koc",
        "Kara Ak Gok Demir Tas Yal Bay Er Oz Gun Sar Tun Kor Bul Duman Sez Uy Can | "
        "oglu kaya er soy tekin alp turk han maz dag su",
    ),
    _people(
        "ES",
        6,
        "Antonio Jose Manuel Francisco Juan David Javier Daniel Carlos Jesus Alejandro Miguel Rafael Pedro Pablo Angel "
        "Sergio Fernando Luis Jorge Alberto Diego Ivan Ruben",
        "Maria Carmen Ana Isabel Laura Cristina Marta Lucia Elena Pilar Dolores Sara Paula Rosa Teresa Raquel Beatriz",
        "Garcia Gonzalez Rodriguez Fernandez Lopez Martinez Sanchez Perez Gomez Martin Jimenez Ruiz Hernandez Diaz "
        "Moreno Alvarez Munoz Romero Alonso Gutierrez Navarro Torres Dominguez Vazquez Ramos Gil Ramirez Serrano",
        "Caz Olm Bar Vill Cor Mont Arr Ferr Pal Sant Cald Esc Man Ort Per Quir Sal Tab Ur Val Zam Cab | "
        "ares edo ejo ena era ero ilas on osa uela izabal arte",
        "two families",
    ),
    _people(
        "MX",
        5,
        "Jose Juan Luis Carlos Miguel Jesus Jorge Francisco Alejandro Ricardo Eduardo Fernando Roberto Raul Hector",
        "Maria Guadalupe Juana Margarita Veronica Leticia Rosa Gabriela Alejandra Patricia Fernanda",
        "Hernandez Garcia Martinez Lopez Gonzalez Perez Rodriguez Sanchez Ramirez Cruz Flores Gomez Morales Vazquez",
        "Can Xic Tep Chi Tlal Cuau Och Pec Quet Zac Mend Ib Val Sol | az oa uitl ez era illo ados oza tzin",
        "two families",
    ),
    _people(
        "PT",
        4,
        "Joao Jose Antonio Manuel Francisco Carlos Paulo Pedro Luis Miguel Rui Nuno Tiago Bruno Ricardo Andre",
        "Maria Ana Isabel Catarina Sofia Teresa Rita Joana Marta Ines Beatriz Helena",
        "Silva Santos Ferreira Pereira Oliveira Costa Rodrigues Martins Jesus Sousa Fernandes Goncalves Gomes Lopes",
        "Carv Nog Pinh Mach Alm Azev Barr Tav Guim Cast Mour Vasc Per Fig | eira alho ado eiro inho elos ais ada uedo",
        "two families",
    ),
    _people(
        "FR",
        6,
        "Jean Pierre Michel Philippe Nicolas Christophe Laurent Julien Thomas Antoine Alexandre Guillaume Olivier "
        "Francois Mathieu Sebastien Vincent Stephane Hugo Louis",
        "Marie Nathalie Isabelle Sylvie Catherine Sophie Julie Camille Claire Celine Aurelie Emilie Lea Manon",
        "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Garcia",
        "Beau Mont Char Du Val Mar Roch Gir Bel Cour Fon Lac Per Vill Blan Gau Deli Ber | "
        "champ pentier ard eau in elle ier taine ville ot let nois",
    ),
    _people(
        "DE",
        6,
        "Thomas Michael Andreas Peter Stefan Christian Wolfgang Klaus Markus Daniel Jan Tobias Florian Lukas "
        "Jonas Felix",
        "Sabine Petra Monika Andrea Claudia Susanne Anna Julia Katharina Laura Lena Lisa Stefanie Nicole",
        "Mueller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schaefer Koch Bauer Richter Klein",
        "Stein Hart Brei Kirch Wald Neu Ober Unter Lang Rot Grau Eich Birk Holz Wies Bach Frei Gries Lind | "
        "mann bauer hofer feld ner inger meier huber wald berg ke",
    ),
    _people(
        "GB",
        6,
        "David John Paul Andrew Mark James Stephen Richard Robert Peter Michael Thomas Daniel Matthew "
        "Christopher Simon",
        "Susan Sarah Karen Emma Jane Helen Claire Julie Elizabeth Catherine Laura Rebecca Charlotte Emily",
        "Smith Jones Williams Taylor Brown Davies Evans Wilson Thomas Johnson Roberts Robinson Thompson Wright Walker",
        "Ash Black Whit Brad Har Thorn Wes Sut Nor Hol Mid Clay Pem Stan Wal Lang Fair Ber Cal | "
        "ford ton ley worth field man son well bury combe wood by",
    ),
    _people(
        "IN",
        5,
        "Rajesh Sanjay Amit Vijay Suresh Ramesh Anil Sunil Rahul Arjun Vikram Manoj Ashok Deepak Ravi Prakash Kiran",
        "Priya Anita Sunita Pooja Neha Lakshmi Kavita Anjali Meena Deepa Divya Asha Rekha Swati",
        "Kumar Singh Sharma Patel Gupta Reddy Rao Nair Das Joshi Mehta Shah Verma Iyer Yadav Mishra Pillai Khan",
        "Chandra Bala Venkata Rama Krishna Sri Gopal Subra Jaya Naga Maha Raj Hari Dev | "
        "murthy raman swamy nathan pal wal kar endra mani yan",
    ),
    _people(
        "GE",
        3,
        "Giorgi Davit Zurab Levan Irakli Lasha Nika Tornike Luka Vakhtang Tengiz Otar Mamuka Gocha",
        "Nino Mariam Tamar Natia Ana Ketevan Eka Maia Salome Lela",
        "Beridze Kapanadze Gelashvili Maisuradze Giorgadze Lomidze Tsiklauri Bolkvadze Khutsishvili Abuladze",
        "Chikh Gog Kav Lomi Mach Nad Okr Pap Ras Sam Tav Ugr Vash Zhgh Kob Dol Jap Tod | "
        "adze ashvili elidze iani ava uria eishvili iladze",
    ),
    _people(
        "MD",
        3,
        "Ion Vasile Andrei Mihai Alexandru Nicolae Sergiu Victor Dumitru Gheorghe Igor Constantin Petru Vitalie",
        "Maria Elena Ana Natalia Tatiana Ludmila Olga Svetlana Cristina Doina Ecaterina",
        "Rusu Ceban Ciobanu Turcanu Cebotari Sirbu Lungu Munteanu Rotari Popa Ursu Guzun Cojocaru Moraru",
        "Bot Cern Dab Gal Hanc Lup Mos Plam Ros Sand Ves Zgard Cald Butn Cusn | ari eanu escu u aru ac an ita ciuc",
    ),
    _people(
        "NG",
        3,
        "Emmanuel Chukwuemeka Oluwaseun Ibrahim Musa Abubakar Chinedu Tunde Ifeanyi Sani Yakubu Segun Femi Kelechi",
        "Ngozi Blessing Amina Funmilayo Chioma Aisha Adaeze Fatima Yetunde Ifeoma",
        "Okafor Adeyemi Ibrahim Musa Okonkwo Bello Eze Abubakar Adebayo Nwosu Mohammed Balogun Obi Lawal Usman",
        "Oke Ade Olu Nwa Chuk Aki Ola Ogu Ume Ani Baba Oye Eke Ibe Uzo | bola wale chi tunde dinma gbe leke "
        "nna kwu jide",
    ),
)


_MIDDLES = ("", "", "a", "i", "o", "u", "an", "er", "il", "ar", "en", "ok")
_VOWEL_ENDINGS = re.compile("[iaoy]+$")


@dataclass(frozen=True)
class Drawn:
    """A person that does not exist."""

    number: int
    people: int
    surname: str
    given: str
    birth: str
    sex: str
    nationality: str

    @property
    def entity_id(self) -> str:
        return f"2026/{self.number}"


class Humanity:
    """Draws persons; the same seed draws the same.

    Args:
        rarer: family names made for each people beside its common ones; a large population needs many.
    """

    def __init__(self, seed: int, rarer: int = 4_000) -> None:
        self._rng = random.Random(seed)
        self._families = [self._tail(people, rarer) for people in PEOPLES]
        self._weights = [_zipf(len(families), 12.0) for families in self._families]
        self._shares = list(accumulate(people.share for people in PEOPLES))

    def persons(self, count: int, first: int = 1) -> Iterator[Drawn]:
        """`count` persons, numbered from `first`."""
        return (self._person(number) for number in range(first, first + count))

    def _tail(self, people: People, rarer: int) -> tuple[str, ...]:
        rng = self._rng
        made = dict.fromkeys(people.family)
        for _ in range(rarer):
            middle = rng.choice(_MIDDLES) if people.shape != "chinese" else ""
            made[(rng.choice(people.stems) + middle + rng.choice(people.endings)).title()] = None
        return tuple(made)

    def _person(self, number: int) -> Drawn:
        rng = self._rng
        place = rng.choices(range(len(PEOPLES)), cum_weights=self._shares)[0]
        people = PEOPLES[place]
        sex = "F" if rng.random() < 0.4 else "M"
        family, given = self._name(place, people, sex)
        born = date(1945, 1, 1) + timedelta(days=int(rng.triangular(0, 23_000, 14_000)))
        return Drawn(number, place, family, given, born.isoformat(), sex, people.nationality)

    def _name(self, place: int, people: People, sex: str) -> tuple[str, str]:
        rng = self._rng
        names = people.female if sex == "F" else people.male
        given = _drawn(rng, names)
        family = self._family(place)
        match people.shape:
            case "patronymic":
                woman = sex == "F" and family[-1] in "vn"
                father = _patronymic(_drawn(rng, people.male), sex) if rng.random() < 0.6 else ""
                return family + ("a" if woman else ""), f"{given} {father}".strip()
            case "arabic":
                fathers = [_drawn(rng, people.male) for _ in range(rng.choice((0, 1, 1, 2)))]
                return family, " ".join([given, *fathers])
            case "two families":
                second = f" {_drawn(rng, names)}" if rng.random() < 0.35 else ""
                return f"{family} {self._family(place)}", given + second
            case "chinese":
                return family, given
            case _:
                second = f" {_drawn(rng, names)}" if rng.random() < 0.2 else ""
                return family, given + second

    def _family(self, place: int) -> str:
        return self._rng.choices(self._families[place], cum_weights=self._weights[place])[0]

    # --- what papers may make of a person ---------------------------------------------------------------------------

    def disguise(self, person: Drawn) -> Drawn:
        """The same person on other papers: one to three of the things that clerks and offices do."""
        rng = self._rng
        for habit in rng.sample(_HABITS, rng.choice((1, 1, 2))):
            person = habit(rng, person)
        if rng.random() < 0.3:
            person = replace(person, birth=_other_date(rng, person.birth))
        return person


def _patronymic(father: str, sex: str) -> str:
    stem = _VOWEL_ENDINGS.sub("", father)
    middle = "ov" if stem == father else "ev"
    return stem + middle + ("na" if sex == "F" else "ich")


def _zipf(count: int, offset: float) -> list[float]:
    return list(accumulate(1.0 / (place + offset) for place in range(count)))


def _drawn(rng: random.Random, names: tuple[str, ...]) -> str:
    return rng.choices(names, [1.0 / (place + 4) for place in range(len(names))])[0]


def _other_date(rng: random.Random, birth: str) -> str:
    born = date.fromisoformat(birth)
    match rng.choice(("year", "exchanged", "digit", "year only")):
        case "year":
            return f"{born.year + rng.choice((-1, 1)):04}{birth[4:]}"
        case "exchanged" if born.day <= 12:
            return f"{born.year:04}-{born.day:02}-{born.month:02}"
        case "digit":
            return born.replace(day=rng.randint(1, 28)).isoformat()
        case _:
            return birth[:4]


# Ways of offices and keyboards, none of them from the matcher's tables: pairs that stand for one another in print.
_SPELLINGS = (
    ("ii", "y"), ("iia", "ia"), ("iu", "yu"), ("ia", "ya"), ("ei", "ey"), ("kh", "h"), ("sh", "ch"), ("ou", "u"),
    ("oo", "u"), ("ee", "i"), ("q", "k"), ("v", "w"), ("ks", "x"), ("ss", "s"), ("mm", "m"), ("ue", "u"), ("ae", "a"),
    ("zh", "j"), ("j", "dj"), ("dh", "d"), ("th", "t"), ("ck", "k"), ("y", "i"), ("ie", "i"), ("o", "u"), ("e", "i"),
    ("Mohammed", "Muhammad"), ("Ahmed", "Ahmad"), ("Yousef", "Yusuf"), ("Hussein", "Husayn"), ("Abdul", "Abdel"),
)  # fmt: skip
Habit = Callable[[random.Random, Drawn], Drawn]


def _spelled(rng: random.Random, person: Drawn) -> Drawn:
    """Another transliteration of one or two sounds."""
    for _ in range(2):
        field = rng.choice(("surname", "given"))
        text = getattr(person, field)
        ways = [(old, new) for pair in _SPELLINGS for old, new in (pair, pair[::-1]) if old in text]
        if ways:
            old, new = rng.choice(ways)
            person = replace(person, **{field: text.replace(old, new, 1)})
    return person


def _mistyped(rng: random.Random, person: Drawn) -> Drawn:
    field = rng.choice(("surname", "given"))
    text = getattr(person, field)
    place = rng.randrange(1, max(len(text) - 1, 2))
    match rng.choice(("drop", "double", "swap", "other")):
        case "drop" if len(text) > 4:
            text = text[:place] + text[place + 1 :]
        case "double":
            text = text[:place] + text[place] * 2 + text[place + 1 :]
        case "swap" if len(text) > place + 1:
            text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        case _:
            text = text[:place] + rng.choice("aeioumnrst") + text[place + 1 :]
    return replace(person, **{field: text.strip()})


def _shortened(rng: random.Random, person: Drawn) -> Drawn:
    """A second given name, a father's or the second family name is left out."""
    family, given = person.surname.split(), person.given.split()
    if len(given) > 1:
        return replace(person, given=given[0])
    if len(family) > 1:
        return replace(person, surname=family[0])
    return _spelled(rng, person)


def _exchanged(rng: random.Random, person: Drawn) -> Drawn:
    """Family and given name change places."""
    return replace(person, surname=person.given, given=person.surname)


def _joined(rng: random.Random, person: Drawn) -> Drawn:
    """What is two words or hyphened becomes one, and the other way round."""
    if " " in person.given:
        return replace(person, given=person.given.replace(" ", "", 1))
    if "-" in person.surname:
        return replace(person, surname=person.surname.replace("-", rng.choice(("", " ")), 1))
    return _mistyped(rng, person)


_HABITS: tuple[Habit, ...] = (_spelled, _spelled, _spelled, _mistyped, _shortened, _exchanged, _joined)
