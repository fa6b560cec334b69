"""Real-looking populations for measuring: names as countries bear them, with tails as heavy as theirs.

Each people has its commonest given and family names, and syllables of which its rarer ones are made. The commonest
family name is borne by 1 % of most peoples, by 7 % in China and 21 % in Korea; the commonest given names by 2 to 4 %;
most names by one or two. Nobody here exists: names are drawn and put together by chance. What papers make of a person
is the matter of `tests.bench.papers`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate


@dataclass(frozen=True)
class People:
    """How one people is named.

    Attributes:
        nationality: two letters.
        share: of all travellers.
        male, female: given names, the commonest first; of `syllables`, what given names consist of.
        family: family names, the commonest first.
        sounds: beginnings, vowels and ends of the syllables of rarer names; none where there are no rarer ones.
        endings: of rarer family names, of men's and of women's given names; `-` is none.
        shape: what a full name consists of.
    """

    nationality: str
    share: float
    male: tuple[str, ...]
    female: tuple[str, ...]
    family: tuple[str, ...]
    sounds: tuple[tuple[str, ...], ...]
    endings: tuple[tuple[str, ...], ...]
    shape: str = "plain"


def _people(
    nationality: str, share: float, male: str, female: str, family: str, made: str, shape: str = "plain"
) -> People:
    parts = [tuple("" if sound == "-" else sound for sound in part.split()) for part in made.split("|")]
    known = (tuple(names.split()) for names in (male, female, family))
    return People(nationality, share, *known, tuple(parts[:3]), tuple(parts[3:]), shape)


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
        "b v g d zh z k l m n p r s t kh ch sh br gr dr kr pr st sk tr vl shch | a o e i u ia iu y | "
        "- - l n r k sh st v m t d b zh ch lk rm | "
        "ov ev in skii enkov ikhin ovskii aev kin | ii an il ei | a ina iia eia",
        "patronymic",
    ),
    _people(
        "UA",
        5,
        "Oleksandr Serhii Volodymyr Andrii Mykola Vasyl Ivan Yurii Ihor Oleh Petro Mykhailo Viktor Dmytro Bohdan "
        "Taras Roman Yaroslav Maksym Vitalii Anatolii Pavlo Denys Artem",
        "Olena Natalia Oksana Iryna Tetiana Svitlana Liudmyla Mariia Halyna Nadiia Yuliia Viktoriia Kateryna Anna",
        "Melnyk Shevchenko Boiko Kovalenko Bondarenko Tkachenko Kravchenko Kovalchuk Koval Oliinyk Shevchuk Polishchuk",
        "b v h d zh z k l m n p r s t kh ch sh br hr dr kr pr st sk tr vl | a o e y i u ia iu | "
        "- - l n r k sh st v m t d b zh ch lk rm | "
        "enko chuk uk ych ets yshyn skyi ash iuk an | ii an slav il | a yna iia yslava",
    ),
    _people(
        "SA",
        9,
        "Mohammed Ahmed Ali Abdullah Khalid Omar Hassan Ibrahim Saad Fahad Yousef Sultan Faisal Nasser Saleh Mansour "
        "Turki Bandar Majed Saud Abdulaziz Abdulrahman Hussein Mahmoud Mustafa Hamza Bilal Tariq Walid Samir Jamal",
        "Fatimah Nora Maha Sara Reem Huda Aisha Maryam Amal Layla Noura Hanan Zainab Salma Khadija Rania Dalal Lama",
        "Al-Ghamdi Al-Harbi Al-Qahtani Al-Zahrani Al-Shehri Al-Otaibi Al-Dosari Al-Mutairi Al-Shammari Al-Anazi "
        "Al-Maliki Al-Asmari Al-Juhani Al-Subaie Hassan Ahmad Ibrahim Khalil Mansour Haddad Khoury Najjar",
        "b t j h d r z s sh f q k l m n w y gh kh th dh | a a i u ou ee | - - b t d r z s f q l m n sh h | "
        "ani awi i iri ari ouni an - - iyan | - an id ir | a ah - iya",
        "arabic",
    ),
    _people(
        "EG",
        6,
        "Mohamed Ahmed Mahmoud Mostafa Ibrahim Hassan Hussein Khaled Ali Youssef Omar Karim Tarek Ashraf Hany Sherif "
        "Gamal Amr Hesham Sayed Abdelrahman Ramadan Adel Samir",
        "Fatma Mona Nadia Heba Dina Rania Samira Amal Hanan Noha Yasmine Salma Mariam Aya Doaa",
        "Mohamed Ahmed Ali Hassan Mahmoud Ibrahim Abdelaziz Salem Fathy Saleh Soliman Mansour Farag Gaber Shaheen",
        "b t g h d r z s sh f k l m n w gh kh | a a e i o ou ee | - - b t d r z s f k l m n sh | "
        "awy y - ati oun - i ani ry | - an id ir | a - iya een",
        "arabic",
    ),
    _people(
        "IR",
        4,
        "Mohammad Ali Hossein Reza Mehdi Hassan Amir Hamid Saeed Majid Behnam Farhad Kamran Babak Dariush Ramin Siamak",
        "Fatemeh Zahra Maryam Leila Narges Mina Parisa Shirin Azadeh Nasrin Samira Elham Mahsa",
        "Mohammadi Hosseini Ahmadi Karimi Rezaei Moradi Jafari Rahimi Hashemi Ebrahimi Akbari Sadeghi Mousavi Ghasemi",
        "b p t j ch h d r z zh s sh f q k g l m n v kh y | a a e i o ou | - - b t d r z s f k l m n sh rz st | "
        "zadeh nejad pour ian abadi khani i far i i | ad in ar ush | eh a in nz",
    ),
    _people(
        "PK",
        6,
        "Muhammad Ahmed Ali Imran Asif Bilal Usman Tariq Nadeem Shahid Kamran Faisal Rashid Saleem Naveed Zahid Irfan "
        "Waqas Adnan Hamza Farhan Junaid Khalid Amjad Abdul",
        "Ayesha Fatima Sana Maria Nadia Saima Rabia Zainab Hina Shazia Bushra Samina",
        "Khan Ahmed Ali Hussain Malik Shah Iqbal Butt Chaudhry Mahmood Aslam Akhtar Qureshi Siddiqui Raza Sheikh Mirza",
        "b p t j ch h d r z s sh f q k g l m n w kh gh bh | a a i u ee oo | - - b t d r z s f k l m n sh kht | "
        "khel zai uddin ullah i wani ri - - an | - eed an ir ullah | a een ia at",
    ),
    _people(
        "CN",
        9,
        "wei jun lei qiang yong jie ming gang ping hui bin feng tao chao peng hao jian guo zhi xiao wen ran zi han yu "
        "xuan zhen hua shao dong hai tian cheng long xin bo yang kai rui ze jia hong sheng li guang xiang zhong yi fei "
        "chun rong da shan liang song bao qing",
        "fang na min jing li yan xia juan xiu ying hua xiao hong mei ling yu han xin yi ruo xi gui shu fen lan qin xue "
        "ting dan jia lin rui zi meng yue qian fei ping qing hui chun ai yun zhen shan lu tong bing shi ya",
        "Wang Li Zhang Liu Chen Yang Zhao Huang Zhou Wu Xu Sun Hu Zhu Gao Lin He Guo Ma Luo Liang Song Zheng Xie Han "
        "Tang Feng Yu Dong Xiao Cheng Cao Yuan Deng Fu Shen Zeng Peng Lu Su Jiang Cai Jia Ding Wei Xue Ye Yan Pan Du "
        "Dai Xia Zhong Tian Ren Fan Fang Shi Yao Tan Liao Zou Xiong Jin Kang Hao Kong Bai Cui Qiu Qin Gu Hou Shao "
        "Meng Long Wan Duan Qian Lei Yin Chang Mao He Lai Gong Shi Qiao Wen Pang Zhai Ouyang Situ Zhuge",
        "",
        "syllables",
    ),
    _people(
        "KR",
        3,
        "min jun seo ji hoon sung young ho jae hyun dong woo sang kyung soo tae hwan won bin in chul jin kyu seok yong "
        "gun cheol hyuk byung do yeon ki chan il kwang nam",
        "ji woo seo yeon min su jin eun hye yu na so young mi kyung na hyun ah jung sun hee ye rin yoon ha sook bo ra "
        "ga in jae won shin suk da eun",
        "Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn Song Ryu Hong Bae Baek Heo Yoo "
        "Nam Sim Noh Ha Joo Koo Min Jin Cha Woo Ma Pyo Ki",
        "",
        "syllables",
    ),
    _people(
        "TR",
        5,
        "Mehmet Mustafa Ahmet Ali Huseyin Hasan Ibrahim Ismail Osman Yusuf Murat Omer Ramazan Halil Emre Burak Kerem "
        "Cem Serkan Volkan",
        "Fatma Ayse Emine Hatice Zeynep Elif Meryem Sultan Selin Esra Merve Busra Derya",
        "Yilmaz Kaya Demir Sahin Celik Yildiz Yildirim Ozturk Aydin Ozdemir Arslan Dogan Kilic Aslan Cetin Kara Koc",
        "b c ch d f g h k l m n p r s sh t v y z | a e i o u a | - - l n r k s t m y z rd lk | "
        "oglu kaya er soy tekin alp turk han li ci maz - | er an et it | e a nur in",
    ),
    _people(
        "ES",
        6,
        "Antonio Jose Manuel Francisco Juan David Javier Daniel Carlos Jesus Alejandro Miguel Rafael Pedro Pablo Angel "
        "Sergio Fernando Luis Jorge Alberto Diego Ivan Ruben",
        "Maria Carmen Ana Isabel Laura Cristina Marta Lucia Elena Pilar Dolores Sara Paula Rosa Teresa Raquel Beatriz",
        "Garcia Gonzalez Rodriguez Fernandez Lopez Martinez Sanchez Perez Gomez Martin Jimenez Ruiz Hernandez Diaz "
        "Moreno Alvarez Munoz Romero Alonso Gutierrez Navarro Torres Dominguez Vazquez Ramos Gil Ramirez Serrano",
        "b c ch d f g j l m n p qu r s t v z br cr gr tr fl | a e i o u ue ie | - - l n r s z nd rr | "
        "ares edo ejo ena era ero ilas on osa uela al ez | o io an el | a ia ela ina",
        "two families",
    ),
    _people(
        "MX",
        5,
        "Jose Juan Luis Carlos Miguel Jesus Jorge Francisco Alejandro Ricardo Eduardo Fernando Roberto Raul Hector",
        "Maria Guadalupe Juana Margarita Veronica Leticia Rosa Gabriela Alejandra Patricia Fernanda",
        "Hernandez Garcia Martinez Lopez Gonzalez Perez Rodriguez Sanchez Ramirez Cruz Flores Gomez Morales Vazquez",
        "b c ch d f g j l m n p qu r s t v x z tl cu | a e i o u ua | - - l n r s z c tl | "
        "oa uitl ez era illo ado oza tzin al ino | o io an el | a ia ela ina",
        "two families",
    ),
    _people(
        "PT",
        4,
        "Joao Jose Antonio Manuel Francisco Carlos Paulo Pedro Luis Miguel Rui Nuno Tiago Bruno Ricardo Andre",
        "Maria Ana Isabel Catarina Sofia Teresa Rita Joana Marta Ines Beatriz Helena",
        "Silva Santos Ferreira Pereira Oliveira Costa Rodrigues Martins Jesus Sousa Fernandes Goncalves Gomes Lopes",
        "b c d f g j l m n p qu r s t v x br cr fr lh | a e i o u ei ou | - - l n r s z | "
        "eira alho ado eiro inho elos ais edo al osa | o io ino el | a ia ela ina",
        "two families",
    ),
    _people(
        "FR",
        6,
        "Jean Pierre Michel Philippe Nicolas Christophe Laurent Julien Thomas Antoine Alexandre Guillaume Olivier "
        "Francois Mathieu Sebastien Vincent Stephane Hugo Louis",
        "Marie Nathalie Isabelle Sylvie Catherine Sophie Julie Camille Claire Celine Aurelie Emilie Lea Manon",
        "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Garcia",
        "b c ch d f g gu j l m n p r s t v br cr fr gr pl tr | a e i o ou oi eu au | - - l n r s t rd nt m | "
        "ard eau in elle ier taine ville ot let ois ac on | in ien el ard | ine ette elle ie",
    ),
    _people(
        "DE",
        6,
        "Thomas Michael Andreas Peter Stefan Christian Wolfgang Klaus Markus Daniel Jan Tobias Florian Lukas "
        "Jonas Felix",
        "Sabine Petra Monika Andrea Claudia Susanne Anna Julia Katharina Laura Lena Lisa Stefanie Nicole",
        "Mueller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schaefer Koch Bauer Richter Klein",
        "b d f g h k l m n p r s sch st t w z br fr gr kr schl | a e i o u ei au ie | - - l n r ch ck rt nd ns tz mp | "
        "mann er hofer feld ner inger meier huber berg ke ert ing | ert win hard o | a ine hild e",
    ),
    _people(
        "GB",
        6,
        "David John Paul Andrew Mark James Stephen Richard Robert Peter Michael Thomas Daniel Matthew "
        "Christopher Simon",
        "Susan Sarah Karen Emma Jane Helen Claire Julie Elizabeth Catherine Laura Rebecca Charlotte Emily",
        "Smith Jones Williams Taylor Brown Davies Evans Wilson Thomas Johnson Roberts Robinson Thompson Wright Walker",
        "b c ch d f g h k l m n p r s sh st t th w bl br cr gr wh | a e i o u ea oo ai | "
        "- - l n r ck rt nd ns tch m ll | "
        "ford ton ley worth field man son well bury er by - s | en ard in y | a ina ey ette",
    ),
    _people(
        "IN",
        5,
        "Rajesh Sanjay Amit Vijay Suresh Ramesh Anil Sunil Rahul Arjun Vikram Manoj Ashok Deepak Ravi Prakash Kiran",
        "Priya Anita Sunita Pooja Neha Lakshmi Kavita Anjali Meena Deepa Divya Asha Rekha Swati",
        "Kumar Singh Sharma Patel Gupta Reddy Rao Nair Das Joshi Mehta Shah Verma Iyer Yadav Mishra Pillai Khan",
        "b bh ch d dh g h j k kh l m n p r s sh t th v y | a a i u e ee | - - n r l sh nd m t | "
        "murthy raman swamy nathan pal kar endra mani an i ani - | esh it an endra | a i ita ika",
    ),
    _people(
        "GE",
        3,
        "Giorgi Davit Zurab Levan Irakli Lasha Nika Tornike Luka Vakhtang Tengiz Otar Mamuka Gocha",
        "Nino Mariam Tamar Natia Ana Ketevan Eka Maia Salome Lela",
        "Beridze Kapanadze Gelashvili Maisuradze Giorgadze Lomidze Tsiklauri Bolkvadze Khutsishvili Abuladze",
        "b d g gh dz ch ts k kh l m n p r s sh t v z zh | a e i o u | - - l n r k rt shv b d | "
        "adze ashvili elidze iani ava uria eishvili idze | o i a ar | a o ia eli",
    ),
    _people(
        "MD",
        3,
        "Ion Vasile Andrei Mihai Alexandru Nicolae Sergiu Victor Dumitru Gheorghe Igor Constantin Petru Vitalie",
        "Maria Elena Ana Natalia Tatiana Ludmila Olga Svetlana Cristina Doina Ecaterina",
        "Rusu Ceban Ciobanu Turcanu Cebotari Sirbu Lungu Munteanu Rotari Popa Ursu Guzun Cojocaru Moraru",
        "b c d f g gh l m n p r s sh t v z br cr gr | a e i o u ea oa | - - l n r c st nd rb | "
        "ari eanu escu u aru ac an ita ciuc ean | in el u an | a ina ica eta",
    ),
    _people(
        "NG",
        3,
        "Emmanuel Chukwuemeka Oluwaseun Ibrahim Musa Abubakar Chinedu Tunde Ifeanyi Sani Yakubu Segun Femi Kelechi",
        "Ngozi Blessing Amina Funmilayo Chioma Aisha Adaeze Fatima Yetunde Ifeoma",
        "Okafor Adeyemi Ibrahim Musa Okonkwo Bello Eze Abubakar Adebayo Nwosu Mohammed Balogun Obi Lawal Usman",
        "b ch d f g gb h j k kp l m n nd nk ny r s t w y | a e i o u | - - - - n m | "
        "bola wale chi tunde dinma leke nna kwu ade i o u | bi de chi - | ola ma e -",
    ),
)

# Not among the calibration's: two in five are called Nguyen, and nearly all share some forty given names.
VIETNAM = _people(
    "VN",
    1,
    "Hung Dung Hai Nam Minh Tuan Thanh Long Duc Son Quang Khanh Hoang Phuc Huy Tam Binh Cuong Thang",
    "Lan Huong Linh Anh Mai Thao Hoa Hanh Ngoc Phuong Trang Thuy Nga Yen Thu Ha Nhung Loan Hien Dung",
    "Nguyen Tran Le Pham Hoang Phan Vu Vo Dang Bui Do Ho Ngo Duong Ly Dinh Truong Huynh Lam Mai Cao",
    "",
    "middle",
)


_VOWEL_ENDINGS = re.compile("[iaoy]+$")
# Ranks are weighed 1 / (rank + flatness) ** steepness.
_FAMILIES = {"CN": (5.5, 1.2), "KR": (2.4, 1.75), "VN": (0.6, 1.6)}
_MIDDLES = {"M": ("Van", "Van", "Huu", "Duc", "Minh", "Quang", "Cong"), "F": ("Thi", "Thi", "Thi", "Ngoc", "Thu")}
_FAMILY, _GIVEN, _SYLLABLE = (12.0, 1.0), (7.0, 1.05), (12.0, 1.0)


@dataclass(frozen=True)
class Drawn:
    """A person that does not exist; `syllables` are those of a given name that consists of such."""

    number: int
    people: int
    surname: str
    given: str
    birth: str
    sex: str
    nationality: str
    syllables: tuple[str, ...] = ()

    @property
    def entity_id(self) -> str:
        return f"2026/{self.number}"


@dataclass(frozen=True)
class _Ranked:
    """Names, the commonest first, to draw from."""

    names: tuple[str, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, names: Sequence[str], flatness: float, steepness: float) -> _Ranked:
        return cls(tuple(names), tuple(accumulate((place + 1 + flatness) ** -steepness for place in range(len(names)))))

    def draw(self, rng: random.Random) -> str:
        return rng.choices(self.names, cum_weights=self.weights)[0]


class Humanity:
    """Draws persons; the same seed draws the same.

    Args:
        seed: of names made and of persons drawn.
        families, givens: names made for each people beside its common ones (given names for each sex).
        peoples: whom there are.
    """

    def __init__(
        self, seed: int, families: int = 15_000, givens: int = 600, peoples: Sequence[People] = PEOPLES
    ) -> None:
        self._rng = random.Random(seed)
        self._peoples = peoples
        self._families = [
            _Ranked.of(self._longer(people, 0, people.family, families), *_FAMILIES.get(people.nationality, _FAMILY))
            for people in self._peoples
        ]
        self._givens = [{sex: self._given_names(people, sex, givens) for sex in ("M", "F")} for people in self._peoples]
        self._shares = list(accumulate(people.share for people in self._peoples))

    def persons(self, count: int, first: int = 1) -> Iterator[Drawn]:
        """`count` persons, numbered from `first`."""
        return (self._person(number) for number in range(first, first + count))

    def _given_names(self, people: People, sex: str, made: int) -> _Ranked:
        known = people.female if sex == "F" else people.male
        if people.shape == "syllables":
            return _Ranked.of(known, *_SYLLABLE)
        return _Ranked.of(self._longer(people, 2 if sex == "F" else 1, known, made), *_GIVEN)

    def _longer(self, people: People, kind: int, known: Sequence[str], made: int) -> Sequence[str]:
        """The known names and as many made ones as that."""
        if not any(people.sounds):
            return known
        rng, names = self._rng, dict.fromkeys(known)
        while len(names) < len(known) + made:
            syllables = rng.choice((1, 2, 2, 3) if kind == 0 else (1, 1, 2))
            stem = "".join(rng.choice(part) for _ in range(syllables) for part in people.sounds)
            name = (stem + rng.choice(people.endings[kind])).capitalize()
            article = "Al-" if people.nationality == "SA" and kind == 0 and rng.random() < 0.6 else ""
            if 3 <= len(name) <= 13:
                names[article + name] = None
        return tuple(names)

    def _person(self, number: int) -> Drawn:
        rng = self._rng
        place = rng.choices(range(len(self._peoples)), cum_weights=self._shares)[0]
        sex = "F" if rng.random() < 0.4 else "M"
        family, given = self._name(place, self._peoples[place], sex)
        syllables = tuple(given.split("-")) if self._peoples[place].shape == "syllables" else ()
        if syllables:  # a Korean passport may part them, a Chinese one does not
            parted = "-" if self._peoples[place].nationality == "KR" and rng.random() < 0.3 else ""
            given = parted.join(syllables).capitalize()
        born = date(1945, 1, 1) + timedelta(days=int(rng.triangular(0, 23_000, 14_000)))
        return Drawn(number, place, family, given, born.isoformat(), sex, self._peoples[place].nationality, syllables)

    def _name(self, place: int, people: People, sex: str) -> tuple[str, str]:
        rng, names, men = self._rng, self._givens[place][sex], self._givens[place]["M"]
        given, family = names.draw(rng), self._families[place].draw(rng)
        match people.shape:
            case "patronymic":
                return _family_of(family, sex), f"{given} {_patronymic(men.draw(rng), sex)}"
            case "arabic":
                fathers = [men.draw(rng) for _ in range(rng.choice((0, 1, 1, 2)))]
                return family, " ".join([given, *fathers])
            case "ism and nasab":  # the own name, the father's, the grandfather's; nobody has a family name
                return men.draw(rng), " ".join([given, *(men.draw(rng) for _ in range(rng.choice((1, 1, 2))))])
            case "middle":
                return family, f"{rng.choice(_MIDDLES[sex])} {given}"
            case "two families":
                second = f" {names.draw(rng)}" if rng.random() < 0.35 else ""
                return f"{family} {self._families[place].draw(rng)}", given + second
            case "syllables":
                alone = 0.12 if people.nationality == "CN" else 0.03
                return family, given if rng.random() < alone else f"{given}-{names.draw(rng)}"
            case _:
                second = f" {names.draw(rng)}" if rng.random() < 0.2 else ""
                return family, given + second


def _family_of(family: str, sex: str) -> str:
    """A woman of Russian name bears its other ending."""
    if sex != "F":
        return family
    return family[:-2] + "aia" if family.endswith("ii") else family + "a" if family[-1] in "vn" else family


def _patronymic(father: str, sex: str) -> str:
    stem = _VOWEL_ENDINGS.sub("", father)
    middle = "ov" if stem == father else "ev"
    return stem + middle + ("na" if sex == "F" else "ich")
