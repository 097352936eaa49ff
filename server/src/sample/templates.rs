//! What people say in the sample chats: per language three talks (delivery, returns, billing).
//! The customer begins and the two take turns. `{n}` name, `{e}` e-mail, `{o}` order number,
//! `{a}` agent.

/// The talks of one language.
pub(super) struct Language {
    pub(super) code: &'static str,
    pub(super) talks: [Talk; 3],
}

/// Turns of customer and agent.
pub(super) type Talk = [&'static str; 8];

/// Names of the talks, as tags.
pub(super) const DEPARTMENTS: [&str; 3] = ["delivery", "returns", "billing"];

/// The talks of a language; English if it has none.
pub(super) fn language(code: &str) -> &'static Language {
    LANGUAGES.iter().find(|l| l.code == code).unwrap_or(&LANGUAGES[0])
}

static LANGUAGES: [Language; 7] = [
    Language {
        code: "en",
        talks: [
            [
                "Hi, my parcel {o} should have been here on Monday. Where is it?",
                "Hello {n}, this is {a}. Let me look that up for you.",
                "Thanks. It has my birthday present for my brother in it.",
                "It left our warehouse on Friday and is with the courier now.",
                "The tracking page says nothing at all, not even 'shipped'.",
                "I asked the courier to call me back. May I write to {e}?",
                "Yes please, that address is fine 👍",
                "Done. If it isn't there tomorrow by noon, we send a new one.",
            ],
            [
                "The lamp from order {o} flickers. I would like to send it back.",
                "I'm sorry about that, {n}. Did you try another bulb?",
                "Two of them. Both are fine in the kitchen.",
                "Then the lamp is faulty. You will get a return label by e-mail.",
                "Send it to {e}, please. Do I need the box?",
                "Any box will do, as long as nothing rattles.",
                "Great, I'll drop it at the post office on Saturday.",
                "Your money is back two days after it reaches us. Best, {a}",
            ],
            [
                "I was charged twice for {o}! That is 89.90 too much 😠",
                "Let me check, {n}. Which card did you pay with?",
                "The blue one. I don't want to type the number here.",
                "Please don't. I can see two charges from the same minute.",
                "So when do I get it back? Rent is due on the first.",
                "I cancelled the second charge. Your bank needs three days.",
                "Could you confirm that to {e}? My bank wants it in writing.",
                "Sent a minute ago. Sorry for the trouble. {a}",
            ],
        ],
    },
    Language {
        code: "de",
        talks: [
            [
                "Guten Tag, meine Bestellung {o} ist immer noch nicht da.",
                "Guten Tag {n}, hier ist {a}. Ich sehe gleich nach.",
                "Danke. Die Nachbarn haben auch nichts angenommen.",
                "Das Paket liegt seit gestern im Verteilzentrum in Köln.",
                "Und wann wird es zugestellt? Ich bin nur vormittags zu Hause.",
                "Morgen zwischen neun und zwölf. Ich schreibe Ihnen an {e}.",
                "Das passt, vielen Dank!",
                "Gern geschehen. Einen schönen Tag noch.",
            ],
            [
                "Die Schuhe aus {o} sind zu klein, ich möchte sie umtauschen.",
                "Kein Problem, {n}. Welche Größe brauchen Sie?",
                "Zweiundvierzig, bitte in Schwarz.",
                "Die haben wir noch. Das Rücksendeetikett kommt per Mail.",
                "Bitte an {e}. Kostet mich das etwas?",
                "Nein, der Umtausch ist für Sie kostenlos.",
                "Prima. Ich schicke sie morgen Früh los.",
                "Wunderbar, dann gehen die neuen am Donnerstag raus. {a}",
            ],
            [
                "Auf der Rechnung zu {o} steht noch meine alte Anschrift.",
                "Das ändere ich gern, {n}. Wie lautet die neue?",
                "Lindenweg 7 in Münster, alles andere bleibt.",
                "Ist geändert. Soll die Rechnung noch einmal kommen?",
                "Ja, als PDF an {e}, ich brauche sie für die Steuer.",
                "Ist unterwegs. Stimmt der Betrag von 124,50 Euro?",
                "Der stimmt. Danke für die schnelle Hilfe 🙂",
                "Sehr gern. Ihr Team vom Laden, {a}",
            ],
        ],
    },
    Language {
        code: "fr",
        talks: [
            [
                "Bonjour, je n'ai toujours pas reçu ma commande {o}.",
                "Bonjour {n}, ici {a}. Je regarde tout de suite.",
                "Merci. C'est un cadeau pour l'anniversaire de ma fille.",
                "Le colis est parti de Lyon hier soir.",
                "Arrivera-t-il avant samedi ? La fête est à midi.",
                "Oui, le transporteur annonce vendredi. Je confirme à {e}.",
                "Parfait, vous me sauvez la journée !",
                "Avec plaisir. Bonne fête à votre fille 🎂",
            ],
            [
                "La théière de la commande {o} est arrivée ébréchée.",
                "J'en suis désolé, {n}. Pouvez-vous décrire le défaut ?",
                "Il manque un éclat au bec, et le couvercle est fendu.",
                "Nous la remplaçons. Voulez-vous la même couleur ?",
                "La bleue, s'il vous plaît. Écrivez-moi à {e}.",
                "C'est noté. L'étiquette de retour est dans votre boîte.",
                "Je la dépose à la poste demain matin.",
                "La nouvelle part dès lundi. À bientôt, {a}",
            ],
            [
                "Le code de réduction n'a pas marché pour {o}.",
                "Je vérifie, {n}. Quel montant attendiez-vous ?",
                "Soixante euros au lieu de soixante-quinze.",
                "Vous avez raison, le code expirait à minuit, pas à midi.",
                "Alors vous me remboursez la différence ?",
                "Oui, quinze euros, sous trois jours. Le reçu va à {e}.",
                "Très bien, je garde la conversation au cas où.",
                "Bien sûr. Merci de votre patience, {a}",
            ],
        ],
    },
    Language {
        code: "es",
        talks: [
            [
                "Hola, ¿dónde está mi pedido {o}? Llevo una semana esperando.",
                "Hola {n}, soy {a}. Lo miro ahora mismo.",
                "Gracias, lo necesito para el viaje del domingo.",
                "El paquete está en Zaragoza y sale hoy en reparto.",
                "¿Pueden dejarlo con el portero? Trabajo hasta tarde.",
                "Claro. Le aviso a {e} cuando esté entregado.",
                "Estupendo, muchas gracias.",
                "A usted. ¡Buen viaje! ✈️",
            ],
            [
                "La chaqueta de {o} no es del color de la foto.",
                "Vaya, {n}. ¿La quiere cambiar o devolver?",
                "Devolverla, por favor. La etiqueta sigue puesta.",
                "Le mando la guía de devolución a su correo.",
                "Mi correo es {e}. ¿Cuánto tarda el reembolso?",
                "Cinco días desde que llegue al almacén.",
                "De acuerdo, mañana la llevo a la oficina.",
                "Perfecto. Gracias por avisarnos, {a}",
            ],
            [
                "Necesito factura con NIF del pedido {o}.",
                "Por supuesto, {n}. ¿A nombre de quién va?",
                "A mi nombre, soy autónoma.",
                "Hecho. ¿La dirección es la misma del envío?",
                "Sí, la misma. Envíela a {e}, por favor.",
                "Enviada. El total es de 210,35 euros con IVA.",
                "Correcto, ya la veo.",
                "Que tenga buena tarde. {a}",
            ],
        ],
    },
    Language {
        code: "ja",
        talks: [
            [
                "注文番号{o}の配送状況を教えてください。",
                "{n}様、担当の{a}です。確認いたします。",
                "お願いします。東京都内なのに一週間かかっています。",
                "大雪の影響で名古屋に止まっております。申し訳ございません。",
                "いつ頃届きそうですか？",
                "明後日の午前中の予定です。{e}へご連絡いたします。",
                "分かりました。ありがとうございます。",
                "またのご利用をお待ちしております。",
            ],
            [
                "{o}のカップが割れて届きました😢",
                "{n}様、大変申し訳ございません。",
                "交換していただけますか？",
                "はい、新しいものを本日発送いたします。",
                "割れた方は返送が必要でしょうか。",
                "不要です。控えを{e}へお送りします。",
                "助かります。",
                "ご不便をおかけしました。{a}",
            ],
            [
                "{o}の領収書をお願いします。",
                "{n}様、宛名はいかがなさいますか。",
                "会社名でお願いします。株式会社さくら文具です。",
                "かしこまりました。金額は一万二千円です。",
                "PDFで大丈夫です。送り先は{e}です。",
                "お送りいたしました。ご確認ください。",
                "届きました。早くて驚きました。",
                "ありがとうございました。{a}",
            ],
        ],
    },
    Language {
        code: "ar",
        talks: [
            [
                "مرحبا، أين وصل طلبي رقم {o}؟",
                "أهلا {n}، معك {a}. لحظة من فضلك.",
                "شكرا، أنتظره منذ عشرة أيام.",
                "الطرد في مركز التوزيع منذ صباح اليوم.",
                "هل يمكن تسليمه مساء الخميس؟",
                "نعم، سأرسل التأكيد إلى {e}.",
                "ممتاز، شكرا جزيلا.",
                "على الرحب والسعة 🌷",
            ],
            [
                "أريد إرجاع الحقيبة من الطلب {o}، السحاب مكسور.",
                "نعتذر عن ذلك يا {n}. هل تفضل الاستبدال؟",
                "لا، أفضل استرداد المبلغ.",
                "حسنا، سنرسل بطاقة الإرجاع بالبريد.",
                "بريدي هو {e}.",
                "تم الإرسال. المبلغ يعود خلال أسبوع.",
                "سأسلمها غدا إن شاء الله.",
                "شكرا لتعاونك. {a}",
            ],
            [
                "المبلغ في فاتورة {o} غير صحيح.",
                "دعني أراجع يا {n}. كم كان السعر المتوقع؟",
                "مئتان وخمسون، وليس ثلاثمئة.",
                "صحيح، لم يحتسب الخصم. سأصححه الآن.",
                "أرجو إرسال الفاتورة الجديدة إلى {e}.",
                "أرسلتها قبل قليل.",
                "وصلت، كل شيء صحيح.",
                "يسعدنا ذلك. {a}",
            ],
        ],
    },
    Language {
        code: "pl",
        talks: [
            [
                "Dzień dobry, gdzie jest moja przesyłka {o}?",
                "Dzień dobry {n}, z tej strony {a}. Już sprawdzam.",
                "Miała być w paczkomacie we wtorek.",
                "Jest w sortowni w Łodzi, jutro będzie na miejscu.",
                "Czy dostanę wiadomość, kiedy dojdzie?",
                "Tak, napiszemy na {e}.",
                "Świetnie, dziękuję bardzo.",
                "Miłego dnia!",
            ],
            [
                "Chcę zwrócić czajnik z zamówienia {o}, przecieka.",
                "Przykro nam, {n}. Od kiedy przecieka?",
                "Od pierwszego dnia, spod uchwytu.",
                "Proszę go odesłać, etykieta przyjdzie mailem.",
                "Mój adres to {e}. Czy muszę mieć paragon?",
                "Nie trzeba, mamy go w systemie.",
                "Dobrze, wyślę go w poniedziałek.",
                "Pieniądze wrócą w ciągu tygodnia. {a}",
            ],
            [
                "Zapłaciłam za {o}, a system pokazuje brak wpłaty.",
                "Sprawdzę to, {n}. Kiedy poszedł przelew?",
                "W piątek wieczorem, mam potwierdzenie.",
                "Widzę go, zabrakło numeru w tytule.",
                "Czyli zamówienie będzie wysłane?",
                "Tak, jeszcze dziś. Potwierdzenie idzie na {e}.",
                "Uff, dziękuję za pomoc.",
                "Nie ma sprawy. {a}",
            ],
        ],
    },
];
