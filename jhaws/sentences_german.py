"""The sentences of `sentences.say` in German: English template → German template with the same placeholders.

A test finds what is missing here and what nobody says any more. Numbers stand behind a colon or where the sentence is
right for one and for many; names, fields and options stay as they are.
"""

GERMAN = {
    # Parts of sentences.
    "{name}: {sentence}": "{name}: {sentence}",
    "{some} and {other}": "{some} und {other}",
    "{some} and {more:,} more": "{some} und {more:,} weitere",
    "… and {more:,} more.": "… und {more:,} weitere.",
    "The form must be text in UTF-8.": "Das Formular muss Text in UTF-8 sein.",
    # Details of the audit log: what was changed, by what, and why a login was refused.
    "all": "alles",
    "added: {value}": "hinzugefügt: {value}",
    "address: {value}": "Adresse: {value}",
    "admin: no": "Admin: nein",
    "admin: yes": "Admin: ja",
    "before: {value}": "vorher: {value}",
    "blocked: no": "gesperrt: nein",
    "blocked: yes": "gesperrt: ja",
    "by JupyterHub": "durch JupyterHub",
    "by an import": "durch einen Import",
    "by an undo": "beim Rückgängigmachen eines Imports",
    "changed": "geändert",
    "changed: {value}": "geändert: {value}",
    "end: never": "Ende: keines",
    "end: {value}": "Ende: {value}",
    "for all users": "für alle",
    "for groups: {value}": "für Gruppen: {value}",
    "groups: none": "Gruppen: keine",
    "groups: {value}": "Gruppen: {value}",
    "joined: {value}": "neu in: {value}",
    "left: {value}": "nicht mehr in: {value}",
    "name: {value}": "Name: {value}",
    "note": "Notiz",
    "removed: {value}": "gelöscht: {value}",
    "set by a one-time code": "mit einem Einmal-Code gesetzt",
    "the old one ends: {value}": "das alte endet: {value}",
    "waited: {value}": "gewartet hatten: {value}",
    "waiting: no": "wartend: nein",
    "waiting: yes": "wartend: ja",
    "a password of its own has to be chosen first, by a login in the browser": (
        "zuerst muss bei einer Anmeldung im Browser ein eigenes Passwort gewählt werden"
    ),
    "admin_password opens the accounts of admins only": "das Admin-Passwort gilt nur für Admins",
    "its password brings groups whose roles make admins, which no shared password may": (
        "sein Passwort bringt Gruppen mit, deren Rollen zum Admin machen, was kein gemeinsames Passwort darf"
    ),
    "the name is new and looks like another one": "der Name ist neu und sieht aus wie ein anderer",
    "an admin has blocked the person": "von einem Admin gesperrt",
    "blocked_users has the name": "der Name steht in blocked_users",
    "it has a password of its own, and opens with no other": "nur das eigene Passwort gilt",
    "it is an admin's account and admin_password is not set": (
        "der Name ist der eines Admins, und admin_password ist nicht gesetzt"
    ),
    "it is an admin's account, which opens with admin_password only": (
        "der Name ist der eines Admins, für den nur das Admin-Passwort gilt"
    ),
    "its own password is from before it was an admin's, when others could set it (another admin can give a one-time "
    "code for a new one)": (
        "das eigene Passwort ist aus der Zeit, bevor die Person Admin wurde, als andere es setzen konnten (ein anderer "
        "Admin kann einen Einmal-Code für ein neues geben)"
    ),
    "no user can have that name": "so kann niemand heißen",
    "the name is from before jhaws's login, and no admin has let it in yet": (
        "der Name kommt aus einem früheren Anmeldeverfahren, und noch kein Admin hat ihn zugelassen"
    ),
    "the name is not on the allow list": "der Name ist nicht zugelassen",
    "the person's end has passed": "der letzte Tag ist vorbei",
    "put off, as too many logins have failed": "aufgeschoben, weil zu viele Anmeldungen gescheitert sind",
    "the one-time code is wrong, was used already, or is too old": (
        "der Einmal-Code ist falsch, schon benutzt oder zu alt"
    ),
    "the configuration has the hash of it, but it is too short to open anything (admin_password has at least {admins} "
    "characters, the others {others})": (
        "die Konfiguration hat den Hash davon, aber es ist zu kurz, um etwas zu öffnen (admin_password hat mindestens "
        "{admins} Zeichen, die anderen {others})"
    ),
    "admin_password and a shared password are the same, so it opens no admin's account": (
        "admin_password und ein gemeinsames Passwort sind gleich, deshalb öffnet es kein Konto eines Admins"
    ),
    "wrong password": "falsches Passwort",
    # Names.
    "A user name must not be empty and must not begin or end with white space.": (
        "Ein Benutzername darf nicht leer sein und nicht mit einem Leerzeichen beginnen oder enden."
    ),
    "A user name may be {most} bytes long in UTF-8, this one has {size}.": (
        "Ein Benutzername darf in UTF-8 höchstens {most} Bytes lang sein, dieser hat {size}."
    ),
    "{name} is written {spelling} in this hub; use that name.": (
        "{name} schreibt man auf diesem Hub {spelling}. Bitte nehmen Sie diesen Namen."
    ),
    "A user name must not contain a slash.": "Ein Benutzername darf keinen Schrägstrich enthalten.",
    "A user name must not contain characters that cannot be seen.": (
        "Ein Benutzername darf keine Zeichen enthalten, die man nicht sehen kann."
    ),
    "The hub's own rules for user names (Authenticator.validate_username) refuse it.": (
        "Die eigenen Regeln des Hubs für Benutzernamen (Authenticator.validate_username) lassen den Namen nicht zu."
    ),
    "It must not contain characters that cannot be seen.": (
        "Der Name darf keine Zeichen enthalten, die man nicht sehen kann."
    ),
    "It holds a variant of a usual character, {character}; type it anew.": (
        "Der Name enthält statt eines üblichen Zeichens ein ähnliches, {character}. Bitte tippen Sie ihn neu."
    ),
    "It mixes {scripts} letters, so it may look like another name; keep to one script.": (
        "Der Name mischt {scripts} Buchstaben und kann deshalb wie ein anderer aussehen. Bitte bleiben Sie bei einer "
        "Schrift."
    ),
    "Arabic": "arabische",
    "Armenian": "armenische",
    "Cyrillic": "kyrillische",
    "East Asian": "ostasiatische",
    "Greek": "griechische",
    "Hebrew": "hebräische",
    "Latin": "lateinische",
    "{name} differs from {other} {place} only by {difference}; use one of them.": (
        "{name} unterscheidet sich von {other} {place} nur durch {difference}. Bitte nehmen Sie einen der beiden Namen."
    ),
    "in the hub": "im Hub",
    "in line {line}": "in Zeile {line}",
    "Unicode normal form": "die Normalform von Unicode",
    "case": "Groß- und Kleinschreibung",
    "spaces": "Leerzeichen",
    "look-alike characters ({character})": "Zeichen, die gleich aussehen ({character})",
    # A list as a whole.
    "The file is not in UTF-8 and was read as Windows-1252, as Excel writes it in Western Europe; look at letters with "
    "accents.": (
        "Die Datei ist nicht in UTF-8 und wurde als Windows-1252 gelesen, wie Excel in Westeuropa schreibt. Bitte "
        "prüfen Sie Umlaute und Akzente."
    ),
    "The list has more than {most:,} lines, or as many cells in one; import it in parts.": (
        "Die Liste hat mehr als {most:,} Zeilen oder so viele Zellen in einer. Bitte importieren Sie sie in Teilen."
    ),
    "The list is larger than {most} MB; import it in parts.": (
        "Die Liste ist größer als {most} MB. Bitte importieren Sie sie in Teilen."
    ),
    "The list holds no names.": "Die Liste enthält keine Namen.",
    "This is no text; save a spreadsheet as CSV in UTF-8, and import that file.": (
        "Das ist kein Text. Bitte speichern Sie eine Tabelle als CSV in UTF-8 und importieren Sie diese Datei."
    ),
    "The file's encoding is not known; save it as CSV in UTF-8.": (
        "Die Zeichenkodierung der Datei ist unbekannt. Bitte speichern Sie sie als CSV in UTF-8."
    ),
    "From this line on the cells cannot be told apart: a quotation mark is missing or too many, or a cell is longer "
    "than {most:,} characters.": (
        "Ab dieser Zeile lassen sich die Zellen nicht mehr trennen: Ein Anführungszeichen fehlt oder ist zu viel, oder "
        "eine Zelle hat mehr als {most:,} Zeichen."
    ),
    "Column {number} looks like one of passwords, which do not belong into a list; delete the column and the file, and "
    "change passwords that others may have seen.": (
        "Spalte {number} sieht nach Passwörtern aus, und die gehören nicht in eine Liste. Bitte löschen Sie die Spalte "
        "und die Datei, und ändern Sie Passwörter, die andere gesehen haben können."
    ),
    "Two columns hold the same, {column}; delete one of them.": (
        "Zwei Spalten enthalten dasselbe, {column}. Bitte löschen Sie eine davon."
    ),
    'The header line has no column "name".': 'Die Kopfzeile hat keine Spalte "name".',
    "Not read, since jhaws does not know such columns: {columns}.": (
        "Nicht gelesen, weil jhaws solche Spalten nicht kennt: {columns}."
    ),
    'A list with several cells in a line needs a header line such as "name,groups,admin,end,note".': (
        'Eine Liste mit mehreren Zellen in einer Zeile braucht eine Kopfzeile wie "name,gruppen,admin,ende,notiz".'
    ),
    "An empty list would remove everybody; delete people in the admin panel instead.": (
        "Eine leere Liste würde alle löschen. Bitte löschen Sie Personen stattdessen im Admin-Panel."
    ),
    "Not in the list, and not removed as you or an admin of the configuration: {names}.": (
        "Nicht in der Liste, und nicht gelöscht, da Sie selbst oder Admins der Konfiguration: {names}."
    ),
    # A line of a list.
    "The line has no name.": "In der Zeile fehlt der Name.",
    "There are more cells than in the header line; put a cell that holds the separator into quotes.": (
        "Hier sind mehr Zellen als in der Kopfzeile. Bitte setzen Sie eine Zelle, die das Trennzeichen enthält, in "
        "Anführungszeichen."
    ),
    "Is this one name or several? Put each on a line of its own; names with spaces need a header line, for example "
    '"name".': (
        "Ist das ein Name oder mehrere? Bitte schreiben Sie jeden in eine eigene Zeile. Namen mit Leerzeichen brauchen "
        'eine Kopfzeile, zum Beispiel "name".'
    ),
    "This says the same as line {line}.": "Hier steht dasselbe wie in Zeile {line}.",
    "This says something else than line {line}.": "Hier steht etwas anderes als in Zeile {line}.",
    "{name} is in the list twice.": "{name} steht zweimal in der Liste.",
    "The list takes the admin flag from {name}, who is you or an admin of the configuration; write yes into the admin "
    "column of this line.": (
        "Nach der Liste wäre {name} nicht mehr Admin; das sind aber Sie selbst oder ein Admin der Konfiguration. Bitte "
        "schreiben Sie in dieser Zeile ja in die Spalte admin."
    ),
    "The list gives {name} an earlier end, and that is you or an admin of the configuration; take the end date out of "
    "this line.": (
        "Die Liste gibt {name} ein früheres Ende; das sind aber Sie selbst oder ein Admin der Konfiguration. Bitte "
        "nehmen Sie das Ende aus dieser Zeile heraus."
    ),
    # A cell.
    "It must not begin with =, +, -, @, a tab or a line break, as formulas do.": (
        "Eine Zelle darf nicht wie eine Formel mit =, +, -, @, einem Tabulator oder einem Zeilenumbruch beginnen."
    ),
    "One person may have {most} groups, here are {count:,}.": (
        "Eine Person darf höchstens {most} Gruppen haben, hier sind es {count:,}."
    ),
    "The admin column must hold yes or no, ja or nein, true or false, 1 or 0, x or nothing.": (
        "In der Spalte admin muss ja oder nein, yes oder no, true oder false, 1 oder 0, x oder nichts stehen."
    ),
    "The end must be a day from {first} to {last}, written 2027-02-28 or 28.02.2027, or nothing.": (
        "Das Ende muss ein Tag von {first} bis {last} sein, geschrieben 28.02.2027 oder 2027-02-28, oder leer bleiben."
    ),
    "The name of a group": "Der Name einer Gruppe",
    "A note": "Eine Notiz",
    "{what} may be {most} characters long, this one has {length:,}.": (
        "{what} darf höchstens {most} Zeichen lang sein, hier sind es {length:,}."
    ),
    "{what} must not contain characters that cannot be seen.": (
        "{what} darf keine Zeichen enthalten, die man nicht sehen kann."
    ),
    # An import and its undo.
    "The list has problems, so nothing was changed. {problem}": (
        "Die Liste hat Probleme, deshalb wurde nichts geändert. {problem}"
    ),
    "The list of people has changed since the preview. Look at a new one, and apply that.": (
        "Die Liste der Personen hat sich seit der Vorschau geändert. Bitte sehen Sie sich eine neue Vorschau an, und "
        "importieren Sie dann diese."
    ),
    "{count} servers of people who are removed have not stopped yet. Try it again soon.": (
        "Server von Personen, die gelöscht werden, laufen noch: {count}. Bitte versuchen Sie es gleich noch einmal."
    ),
    "There is no import that could be undone.": "Es gibt keinen Import, der rückgängig gemacht werden könnte.",
    "Somebody else has imported a list or undone the last import meanwhile, so nothing was undone.": (
        "Jemand anders hat inzwischen eine Liste importiert oder den letzten Import rückgängig gemacht. Rückgängig "
        "gemacht wurde nichts."
    ),
    "{count:,} of the import stay: they are {why}.": "Vom Import nicht rückgängig gemacht: {count:,} ({why}).",
    "in the hub again, so left as they are": "wieder im Hub",
    "gone, already as before, or to be kept as they are": "nicht mehr da, schon wie vorher, oder geschützt",
    "gone, made anew since, or to be kept": "nicht mehr da, seither neu angelegt, oder geschützt",
    "changed since; delete them yourself if they shall go": (
        "seither geändert; bitte löschen Sie sie selbst, wenn sie weg sollen"
    ),
    "What was changed since the import stays; people with that: {count:,}.": (
        "Was jemand seit dem Import geändert hat, bleibt so. Personen, die das betrifft: {count:,}."
    ),
    # Rights.
    "Only admins can forget failed logins of admins, and so all of them at once: others could guess their passwords "
    "without a wait. Forget those of one user or address.": (
        "Fehlversuche bei Namen von Admins können nur Admins zurücksetzen, und damit auch alle auf einmal: Andere "
        "könnten sonst deren Passwörter ohne Wartezeit raten. Bitte wählen Sie eine einzelne Person oder Adresse."
    ),
    "Only admins can make, change or remove admins.": "Nur Admins können Admins ernennen, ändern oder löschen.",
    "Roles of these groups make admins, which no shared password may: take some out.": (
        "Rollen dieser Gruppen machen zum Admin, was kein gemeinsames Passwort darf. Nehmen Sie welche heraus."
    ),
    "Groups can be changed only with the scope admin:groups.": (
        "Gruppen lassen sich nur mit dem Recht admin:groups ändern."
    ),
    "With manage_groups each login decides about groups: take the column of groups out.": (
        "Mit manage_groups entscheidet jede Anmeldung über die Gruppen. Bitte nehmen Sie die Spalte der Gruppen heraus."
    ),
    "With manage_groups each login decides about groups, so they are not changed here.": (
        "Mit manage_groups entscheidet jede Anmeldung über die Gruppen. Deshalb lassen sie sich hier nicht ändern."
    ),
    "{name} is you or an admin of the configuration, who can neither be shut out nor lose the admin flag here.": (
        "{name}: Das sind Sie selbst oder ein Admin der Konfiguration. Hier kann man weder den Zugang sperren noch das "
        "Admin-Recht wegnehmen."
    ),
    "You cannot delete yourself: let another admin do it.": (
        "Sie können sich nicht selbst löschen. Bitten Sie einen anderen Admin darum."
    ),
    "{name} is in {option} and cannot be deleted here: remove the name from that option, restart the hub and delete "
    "the user then.": (
        "{name} steht in {option} und kann hier nicht gelöscht werden. Nehmen Sie den Namen aus dieser Option heraus, "
        "starten Sie den Hub neu, und löschen Sie die Person danach."
    ),
    # People.
    "The hub has no user {name}.": "Den Namen {name} gibt es auf diesem Hub nicht.",
    "{name} is a user of the hub already, so nobody was added.": (
        "{name} gibt es auf diesem Hub schon. Deshalb wurde niemand hinzugefügt."
    ),
    "{problem} Nobody was added.": "{problem} Es wurde niemand hinzugefügt.",
    "The server of {name} does not start: {reason}.": "Der Server von {name} startet nicht: {reason}.",
    "One request adds {most:,} people at most, here are {count:,}: import a list of them.": (
        "Auf einmal lassen sich höchstens {most:,} Personen hinzufügen, hier sind es {count:,}. Importieren Sie eine "
        "Liste."
    ),
    "A server of {name} has not stopped yet. Try it again soon.": (
        "Ein Server von {name} läuft noch. Bitte versuchen Sie es gleich noch einmal."
    ),
    "The hub's database does not answer, so nothing was changed. Try it again in a minute.": (
        "Die Datenbank des Hubs antwortet nicht, deshalb wurde nichts geändert. Bitte versuchen Sie es in einer Minute "
        "noch einmal."
    ),
    "Say what changes: {fields}.": "Bitte geben Sie an, was sich ändern soll: {fields}.",
    "The name of a group must not be empty.": "Der Name einer Gruppe darf nicht leer sein.",
    "This page is for admins.": "Diese Seite ist für Admins.",
    # The gate.
    "Too many logins have failed. Try again in {time}.": (
        "Zu viele Anmeldungen sind fehlgeschlagen. Bitte versuchen Sie es in {time} noch einmal."
    ),
    "1 second": "einer Sekunde",
    "{count} seconds": "{count} Sekunden",
    "{count} minutes": "{count} Minuten",
    # What only a program can get wrong.
    "The body of the request must be a JSON object.": "Die Anfrage muss ein JSON-Objekt enthalten.",
    "The body must be a JSON object with {fields} at most.": (
        "Die Anfrage muss ein JSON-Objekt mit höchstens diesen Feldern enthalten: {fields}."
    ),
    "The request is larger than {most:,} bytes: divide the list into parts.": (
        "Die Anfrage ist größer als {most:,} Bytes. Teilen Sie die Liste auf."
    ),
    "There is no field {field}; there are {known}.": "Das Feld {field} gibt es nicht. Es gibt: {known}.",
    "{field} must be true or false.": "{field} muss true oder false sein.",
    "{field} must be text, or null for none.": "{field} muss Text sein, oder null für keinen.",
    "{field} must be a whole number, 0 or more, got {got}.": (
        "{field} muss eine ganze Zahl ab 0 sein. Angekommen ist {got}."
    ),
    "names must be a list with the names of the people to add.": (
        "names muss eine Liste mit den Namen der Personen sein, die hinzukommen."
    ),
    "groups must be a list of names of groups.": "groups muss eine Liste mit Namen von Gruppen sein.",
    "text must be the list as text, or csv the bytes of a file in base64.": (
        "text muss die Liste als Text sein, oder csv die Bytes einer Datei in base64."
    ),
    "csv must be the bytes of a file in base64.": "csv muss die Bytes einer Datei in base64 enthalten.",
    "digest must be that of the preview: look at one first.": (
        "digest muss der aus der Vorschau sein. Bitte sehen Sie sich zuerst eine an."
    ),
    'One request lets in {most:,} people at most, here are {count:,}: send them in parts, or "all".': (
        "Auf einmal lassen sich höchstens {most:,} Personen einlassen, hier sind es {count:,}. Teilen Sie die Namen "
        'auf, oder senden Sie "all".'
    ),
    'allow must be a list of names, or "all".': 'allow muss eine Liste von Namen sein, oder "all".',
    "order must be one of {orders}, with - in front for the other way round.": (
        "order muss eines von diesen sein, mit - davor für die umgekehrte Reihenfolge: {orders}."
    ),
    "state must be one of {states}.": "state muss eines von diesen sein: {states}.",
    "kind must be name, address or all, with a value as GET shows it.": (
        "kind muss name, address oder all sein, mit einem Wert, wie GET ihn zeigt."
    ),
    # Passwords.
    "Give either a password, or generate: true to have one made.": (
        "Geben Sie entweder ein Passwort an, oder generate: true, dann wird eines gemacht."
    ),
    "A password may be of {most} groups, here are {count:,}.": (
        "Ein Passwort kann für höchstens {most} Gruppen gelten, hier sind es {count:,}."
    ),
    "groups must be a list of group names; leave it out for all users.": (
        "groups muss eine Liste mit Namen von Gruppen sein. Für alle Personen lassen Sie das Feld weg."
    ),
    (
        "The end of the old password (old_ends_at) must be a time of the years {first} to {last}, as "
        "2026-12-24T18:00, in the hub's time zone or with its own, as +01:00."
    ): (
        "Das Ende des alten Passworts (old_ends_at) muss eine Zeit der Jahre {first} bis {last} sein, wie "
        "2026-12-24T18:00, in der Zeitzone des Hubs oder mit ihrer eigenen, wie +01:00."
    ),
    "The end of the old password (old_ends_at) must be in the future; leave it out to end it now.": (
        "Das Ende des alten Passworts (old_ends_at) muss in der Zukunft liegen. Soll das alte sofort enden, lassen Sie "
        "es weg."
    ),
    "A password for groups needs {option} = True, got False.": (
        "Ein Passwort für Gruppen braucht {option} = True. Eingestellt ist False."
    ),
    "The new password must be text of at least {least} characters.": (
        "Das neue Passwort muss Text mit mindestens {least} Zeichen sein."
    ),
    "The new password must have at least {least} characters.": (
        "Das neue Passwort braucht mindestens {least} Zeichen."
    ),
    "The new password must have at most {most} bytes.": "Das neue Passwort darf höchstens {most} Bytes haben.",
    "The new password must not hold control characters.": "Das neue Passwort darf keine Steuerzeichen enthalten.",
    "The new password must not be the user name.": "Das neue Passwort darf nicht der Benutzername sein.",
    "The new password is one of those that are tried first; choose another one.": (
        "Das neue Passwort wird als eines der ersten probiert. Bitte wählen Sie ein anderes."
    ),
    "The new password is in use already, as a shared one or the admins'.": (
        "Das neue Passwort ist schon in Gebrauch, als gemeinsames oder als das der Admins."
    ),
    "The new password is a shared one.": "Das neue Passwort ist ein gemeinsames.",
    "The new password is the old one.": "Das neue Passwort ist das alte.",
    "The two new passwords are not the same.": "Die beiden neuen Passwörter sind nicht gleich.",
    "The password until now is wrong.": "Das bisherige Passwort ist falsch.",
    "The user was renamed or deleted a moment ago.": "Die Person wurde gerade eben umbenannt oder gelöscht.",
    "The user or the password was changed by somebody else a moment ago.": (
        "Die Person oder das Passwort wurde gerade eben von jemand anderem geändert."
    ),
    "The user may not have a password of their own.": "Diese Person darf kein eigenes Passwort haben.",
    "Users have no passwords of their own: {option} is 'off'.": (
        "Auf diesem Hub gibt es keine eigenen Passwörter: {option} ist 'off'."
    ),
    "Only an admin may give a code for the account of an admin.": (
        "Einen Einmal-Code für einen Admin darf nur ein Admin ausgeben."
    ),
    "The hub has no user {name}; add the user first.": (
        "Den Namen {name} gibt es auf diesem Hub nicht. Bitte fügen Sie ihn zuerst hinzu."
    ),
    "The one-time code is wrong, was used already, or is too old.": (
        "Der Einmal-Code ist falsch, schon benutzt oder zu alt."
    ),
    "The one-time code was used or replaced a moment ago.": (
        "Der Einmal-Code wurde gerade eben benutzt oder durch einen neuen ersetzt."
    ),
}
